/**
 * Encodes a path or URL as `source` of a volume. The provider parses it as a URL: `#`, `?` and `%` in a path need encoding, control
 * characters are refused, and `//` begins a host. Terraform rewrites accents (NFC), which could name another file. A URL is spelled as
 * `fetch` parsed it for the policy check, since two parsers need not agree on its host.
 */
export function volumeSource(pathOrUrl: string): string {
  if (/^https?:/.test(pathOrUrl)) return new URL(pathOrUrl).href;
  if (pathOrUrl.startsWith('file:')) return pathOrUrl;
  return pathOrUrl
    .replace(/^\/+/, '/')
    .replace(/[^ -~]+|[%?#]/g, (text) => encodeURIComponent(text.toWellFormed()));
}
