/** Manifests: what people write, checked as a whole before anything runs. Files are read in load.ts. */

import { formatPath } from '../schema/problem.ts';
import { manifestConflicts } from './conflicts.ts';
import { readObject } from './decode.ts';
import { ManifestError, type ManifestProblem } from './error.ts';
import type { Manifest } from './manifest.ts';
import type { Environment } from './substitution.ts';
import { parseYaml, type YamlDocument } from './yaml.ts';

/** Largest manifest, in bytes: what etcd takes, and so what a cluster would take. */
export const MAX_MANIFEST_BYTES = 1_048_576;

/** A manifest that was read, not yet parsed. */
export interface ManifestText {
  /** File name as the user gave it, or `stdin`; for messages. */
  readonly source: string;
  readonly text: string;
  /** What relative file names in it are relative to; the manifest's own directory. */
  readonly directory: string;
}

export interface ManifestOptions {
  /** Namespace of objects that name none (default `default`). */
  readonly namespace?: string;
  /** Where `${CAPLV_…}` variables come from (default: none are set). */
  readonly environment?: Environment;
}

/** The objects of one text. Throws ManifestError with all that is wrong. */
export function parseManifests(
  text: string,
  source: string,
  options: ManifestOptions & { directory?: string } = {},
): Manifest[] {
  return parseManifestTexts([{ source, text, directory: options.directory ?? '/' }], options);
}

/** The objects of several texts, checked together. Throws ManifestError with all that is wrong. */
export function parseManifestTexts(
  texts: readonly ManifestText[],
  options: ManifestOptions = {},
): Manifest[] {
  const manifests: Manifest[] = [];
  const problems: ManifestProblem[] = [];
  for (const text of texts) {
    const read = readText(text, options);
    manifests.push(...read.manifests);
    problems.push(...read.problems);
  }
  problems.push(...manifestConflicts(manifests));
  if (problems.length > 0) throw new ManifestError(problems);
  return manifests;
}

/** The problem of a text of that size (Infinity: unknown and too large); undefined if it is small enough. */
export function sizeProblem(source: string, bytes: number): ManifestProblem | undefined {
  if (bytes <= MAX_MANIFEST_BYTES) return undefined;
  return {
    source,
    message: `the manifest has ${describeSize(bytes)}, and a manifest may have 1 MiB`,
    fix: 'split it into several files, or keep large user data in a file of its own and name it in userDataURI',
  };
}

function describeSize(bytes: number): string {
  return Number.isFinite(bytes) ? `${(bytes / MAX_MANIFEST_BYTES).toFixed(1)} MiB` : 'more than 1 MiB';
}

function readText(
  { source, text, directory }: ManifestText,
  { namespace = 'default', environment = {} }: ManifestOptions,
): { manifests: Manifest[]; problems: ManifestProblem[] } {
  const tooLarge = sizeProblem(source, Buffer.byteLength(text));
  if (tooLarge) return { manifests: [], problems: [tooLarge] };

  const { documents, problems: syntax } = parseYaml(text);
  const manifests: Manifest[] = [];
  const problems: ManifestProblem[] = syntax.map((problem) => ({ source, ...problem }));
  if (documents.length + problems.length === 0) {
    problems.push({
      source,
      message: 'it contains no object',
      fix: 'write at least one Cluster or Machine',
    });
  }
  for (const { value, lineOf } of documents.flatMap(itemsOf)) {
    const read = readObject(value, { namespace, environment, directory });
    if (read.object) manifests.push({ object: read.object, source, line: lineOf([]), lineOf });
    for (const { path, message, fix } of read.problems) {
      problems.push({
        source,
        line: lineOf(path),
        ...(read.label && { object: read.label }),
        ...(path.length > 0 && { path: formatPath(path) }),
        message,
        ...(fix && { fix }),
      });
    }
  }
  problems.sort((a, b) => (a.line ?? 0) - (b.line ?? 0));
  return { manifests, problems };
}

/** The objects of a `kind: List`; any other document is its own only one. */
function itemsOf(document: YamlDocument): YamlDocument[] {
  const list = document.value as { kind?: unknown; items?: unknown } | null;
  if (list?.kind !== 'List' || !Array.isArray(list.items)) return [document];
  return list.items.map((value: unknown, index) => ({
    value,
    lineOf: (path) => document.lineOf(['items', index, ...path]),
  }));
}
