/** Matches the hosts that manifests name with those that the operator allows. */

import { TerminalError } from '../../errors.ts';
import {
  formatHostURI,
  type HostURI,
  hostIdentity,
  isProblem,
  parseHostURI,
} from '../../libvirt/host-uri.ts';
import { type AllowedHost, allowHost } from '../../system/allowed-host.ts';

export interface HostListOptions {
  /** libvirt URI of the host for manifests that name none. */
  readonly main: string;
  /** libvirt URIs of further hosts, as `--allow` names them. */
  readonly listed: readonly string[];
  /** True: manifests are as good as the operator's own word, and may name any host with any parameter. */
  readonly isOpen: boolean;
}

/** How many spellings of one host are remembered. */
const MOST_SPELLINGS = 16;
/** How many decisions are kept. */
const MOST_FOUND = 4_096;

export class HostList {
  readonly main: AllowedHost;
  readonly #listed: readonly AllowedHost[];
  readonly #isOpen: boolean;
  /** Decisions, since each Machine of a fleet is asked about again and again. */
  readonly #found = new Map<string, AllowedHost | undefined>();
  /** How hosts were written, other than by their one text. */
  readonly #spellings = new Map<AllowedHost, Set<string>>();

  /** Throws TerminalError InvalidConfiguration for a URI that cannot be used, and for a host that is listed with two sets of parameters. */
  constructor({ main, listed, isOpen }: HostListOptions) {
    this.#isOpen = isOpen;
    this.main = this.#admit(main, '--libvirt-uri');
    this.#listed = [this.main, ...listed.map((uri) => this.#admit(uri, '--allow'))];
    for (const one of this.#listed) {
      const twin = this.#listed.find((other) => other !== one && hostIdentity(other) === hostIdentity(one));
      if (twin === undefined || isOpen) continue;
      throw new TerminalError({
        code: 'InvalidConfiguration',
        path: '--allow',
        message: `${one} and ${twin} are one host with two sets of parameters`,
        fix: 'name each host once in --libvirt-uri and --allow',
      });
    }
  }

  /**
   * The host that a manifest names. It is named by what it is (`qemu+ssh://root@rack1/system`); how it is reached, with its key
   * and so on, is as the operator has listed it. So parameters are accepted only if they are those of the list.
   */
  find(uri: string): AllowedHost | undefined {
    if (this.#found.has(uri)) return this.#found.get(uri);
    const host = this.#decide(uri);
    if (this.#found.size >= MOST_FOUND) this.#found.clear();
    this.#found.set(uri, host);
    return host;
  }

  #decide(uri: string): AllowedHost | undefined {
    const read = parseHostURI(uri);
    if (isProblem(read)) return undefined;
    const text = formatHostURI(read);
    const listed =
      this.#listed.find((one) => one === text) ??
      (isBare(read) ? this.#listed.find((one) => hostIdentity(one) === hostIdentity(text)) : undefined);
    const host = listed ?? (this.#isOpen ? allowHost(formatHostURI(read)) : undefined);
    if (host) this.#remember(host, uri);
    return host;
  }

  /** Accepts a host that the operator names in a flag or argument. Throws TerminalError InvalidConfiguration with `path`. */
  named(uri: string, path: string): AllowedHost {
    return this.find(uri) ?? this.#admit(uri, path);
  }

  /** Texts other than its own by which the host was named: its state may lie under one of them. */
  readonly spellingsOf = (host: AllowedHost): readonly string[] => [...(this.#spellings.get(host) ?? [])];

  #admit(uri: string, path: string): AllowedHost {
    const read = parseHostURI(uri);
    if (isProblem(read)) throw new TerminalError({ code: 'InvalidConfiguration', path, ...read });
    const host = allowHost(formatHostURI(read));
    this.#remember(host, uri);
    return host;
  }

  #remember(host: AllowedHost, uri: string): void {
    const known = this.#spellings.get(host) ?? new Set();
    if (uri !== host && known.size < MOST_SPELLINGS) this.#spellings.set(host, known.add(uri));
  }
}

/** Formats the host without the parameters of its connection. */
function isBare({ parameters }: HostURI): boolean {
  return [...parameters.keys()].every((name) => name === 'socket');
}
