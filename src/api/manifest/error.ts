/** Everything that is wrong with the manifests of one call, together. */

import { TerminalError } from '../../errors.ts';

export interface ManifestProblem {
  /** File name, or `stdin`. */
  readonly source: string;
  /** From 1. */
  readonly line?: number;
  /** For example `Machine default/kube-cp`. */
  readonly object?: string;
  /** For example `spec.providerSpec.value.vcpu`. */
  readonly path?: string;
  /** What is wrong. */
  readonly message: string;
  /** What would be right. */
  readonly fix?: string;
}

export class ManifestError extends TerminalError {
  readonly problems: readonly ManifestProblem[];

  constructor(problems: readonly ManifestProblem[]) {
    const [first, ...more] = problems;
    const lines = problems.map(formatManifestProblem);
    super({
      code: 'InvalidConfiguration',
      message:
        more.length > 0
          ? `${problems.length} problems:\n${lines.map((line) => `  ${line}`).join('\n')}`
          : lines.join(''),
      path: first?.path,
    });
    this.problems = problems;
  }
}

/** `kube-cp.yaml:12: Machine default/kube-cp: spec.providerSpec.vcpu: 0 is too small; use at least 1`. */
export function formatManifestProblem({ source, line, object, path, message, fix }: ManifestProblem): string {
  const where = [line === undefined ? source : `${source}:${line}`, object, path]
    .filter((part) => part)
    .join(': ');
  return `${where}: ${message}${fix ? `; ${fix}` : ''}`;
}
