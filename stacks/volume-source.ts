/**
 * A path or URL as `source` of a volume. The provider parses it as a URL: `#`, `?` and `%` in a path need encoding, controls
 * are refused, and what follows `//` is a host. Terraform rewrites accents (NFC), so that a file might be another. A URL is
 * spelled as `fetch` read it when it was held against the policy: two parsers need not agree on its host.
 */
export function volumeSource(pathOrUrl: string): string {
  if (/^https?:/.test(pathOrUrl)) return new URL(pathOrUrl).href;
  if (pathOrUrl.startsWith('file:')) return pathOrUrl;
  return pathOrUrl
    .replace(/^\/+/, '/')
    .replace(/[^ -~]+|[%?#]/g, (text) => encodeURIComponent(text.toWellFormed()));
}
