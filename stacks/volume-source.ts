/** A path or URL as `source` of a volume. The provider parses it as a URL, so `#`, `?` and `%` in a path need encoding. */
export function volumeSource(pathOrUrl: string): string {
  return /^(https?|file):/.test(pathOrUrl) ? pathOrUrl : pathOrUrl.replace(/[%?#]/g, encodeURIComponent);
}
