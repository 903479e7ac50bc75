/** Reads manifests from files, directories, URLs and standard input. */

import { type FileHandle, open, readdir, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { ManifestError, type ManifestProblem } from './error.ts';
import { isUrl, openManifestUrl } from './fetch.ts';
import type { Manifest } from './manifest.ts';
import {
  MAX_MANIFEST_BYTES,
  type ManifestOptions,
  type ManifestText,
  parseManifestTexts,
  sizeProblem,
} from './parse.ts';

export interface LoadOptions extends ManifestOptions {
  /** What `-` reads (default: standard input of the process). */
  readonly stdin?: Readable;
  /** Reads directories below directories, too. */
  readonly isRecursive?: boolean;
}

/**
 * The objects of all `paths`: files, directories (their *.yaml, *.yml and *.json files, and with `isRecursive` those of directories
 * below), http:// and https:// URLs, or `-` for standard input. `${CAPLV_…}` variables come from the environment of the process unless `environment` is given.
 * Throws ManifestError with all that is wrong in any of them.
 */
export async function loadManifests(
  paths: readonly string[],
  options: LoadOptions = {},
): Promise<Manifest[]> {
  const texts: ManifestText[] = [];
  const problems: ManifestProblem[] = [];
  for (const path of paths) {
    try {
      texts.push(...(await readPath(path, options)));
    } catch (error) {
      problems.push(...(error instanceof ManifestError ? error.problems : [unreadable(path, error)]));
    }
  }
  if (problems.length > 0) throw new ManifestError(problems);
  return parseManifestTexts(texts, { environment: process.env, ...options });
}

async function readPath(
  path: string,
  { stdin = process.stdin, isRecursive = false }: LoadOptions,
): Promise<ManifestText[]> {
  const directory = process.cwd();
  if (path === '-') return [{ source: 'stdin', text: await readLimited('stdin', stdin), directory }];
  if (isUrl(path)) {
    const text = await readLimited(path, await openManifestUrl(path));
    return [{ source: path, text, directory }];
  }
  if (!(await stat(path)).isDirectory()) return [await readFile(path)];
  const names = (await readdir(path, { recursive: isRecursive }))
    .filter((name) => /\.(ya?ml|json)$/.test(name))
    .sort();
  const texts: ManifestText[] = [];
  for (const name of names) texts.push(await readFile(join(path, name)));
  const manifests = texts.filter(({ text }) => !isUserData(text));
  if (manifests.length > 0) return manifests;
  throw new ManifestError([
    {
      source: path,
      message: 'there is no manifest in this directory',
      fix: isRecursive
        ? 'name a directory with *.yaml, *.yml or *.json files'
        : 'name a directory with *.yaml, *.yml or *.json files, or add --recursive for those of directories below it',
    },
  ]);
}

async function readFile(path: string): Promise<ManifestText> {
  const file: FileHandle = await open(path);
  try {
    const text = await readLimited(
      path,
      file.createReadStream({ autoClose: false }),
      (await file.stat()).size,
    );
    return { source: path, text, directory: resolve(dirname(path)) };
  } finally {
    await file.close();
  }
}

/** Stops reading where the limit is passed: a stream may never end. */
async function readLimited(source: string, stream: Readable, size = 0): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  const refuse = (problem: ManifestProblem | undefined) => {
    if (problem) throw new ManifestError([problem]);
  };
  refuse(sizeProblem(source, size));
  for await (const chunk of stream) {
    chunks.push(Buffer.from(chunk as Buffer));
    bytes += (chunk as Buffer).length;
    refuse(bytes > MAX_MANIFEST_BYTES ? sizeProblem(source, Number.POSITIVE_INFINITY) : undefined);
  }
  return decode(source, Buffer.concat(chunks));
}

/** Other bytes would become other characters, in names and in user data. */
function decode(source: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new ManifestError([{ source, message: 'this is not UTF-8 text', fix: 'save it as UTF-8' }]);
  }
}

/** User data often lies beside the manifest that names it; its first line tells. */
function isUserData(text: string): boolean {
  return /^(#cloud-config|#cloud-boothook|#include|#!|## template: jinja|Content-Type: multipart)/.test(text);
}

function unreadable(path: string, error: unknown): ManifestProblem {
  const { code } = error as NodeJS.ErrnoException;
  const causes: Record<string, [string, string]> = {
    ENOENT: [
      'there is no such file or directory',
      `check the spelling of ${basename(path)}, and the directory you are in`,
    ],
    EACCES: ['no permission to read this file', 'change its permissions, or run as a user who may read it'],
  };
  const [message, fix] = causes[code ?? ''] ?? [
    `this cannot be read (${code ?? 'unknown error'})`,
    'check the file',
  ];
  return { source: path, message, fix };
}
