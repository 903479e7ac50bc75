/** A password may hold an @ that nobody has encoded; the last one ends it. */
const PASSWORD = /^([^:]+:\/\/[^:@/?]*):([^/]*)@/;

/** The URI as it may be shown: `qemu+tcp://admin:***@host/system`. */
export function redactUri(uri: string): string {
  return uri.replace(PASSWORD, '$1:***@').replaceAll(/([?&]password=)[^&#]*/g, '$1***');
}

/** Takes a URI's password out of a text that may repeat it. */
export function redactText(text: string, uri: string): string {
  const password = PASSWORD.exec(uri)?.[2];
  const known = text.replaceAll(uri, redactUri(uri));
  return password ? known.replaceAll(password, '***') : known;
}

/**
 * The URI as virsh gets it. ssh would ask for passwords and host keys on the terminal behind our back and wait;
 * `no_tty` makes it fail at once, with a reason.
 */
export function unattendedUri(uri: string): string {
  if (!/^[^:/]+\+ssh:/.test(uri) || /[?&]no_tty=/.test(uri)) return uri;
  return `${uri}${uri.includes('?') ? '&' : '?'}no_tty=1`;
}
