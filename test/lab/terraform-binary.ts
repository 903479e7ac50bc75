/** Provides terraform for labs. */

import { createHash } from 'node:crypto';
import { cp, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { cacheDirectory, cached } from './cache.ts';
import { findGo, goBuild } from './go-build.ts';

const VERSION = '1.11.4';
const RELEASES = `https://releases.hashicorp.com/terraform/${VERSION}`;
const ARCHIVE = `terraform_${VERSION}_linux_amd64.zip`;

/** From 1.9 on Terraform's own go.mod names modules that are published nowhere: this is the last that Go can build. */
const BUILDABLE_VERSION = '1.8.5';

/** A machine without a way out should notice within seconds. */
const CONNECT_TIMEOUT_MS = 5_000;
const DOWNLOAD_TIMEOUT_MS = 300_000;

/** Directory that `Lab.env()` appends to PATH: holds terraform where the machine has none. */
export function binDirectory(): string {
  return join(cacheDirectory(), 'bin');
}

/** Path of terraform (or tofu) as found: in PATH, in the cache, else downloaded, else built with Go. */
export async function provideTerraform(progress: (line: string) => void): Promise<string> {
  for (const command of ['terraform', 'tofu', join(binDirectory(), 'terraform')]) {
    const { failed } = await execa(command, ['version'], { reject: false, stdin: 'ignore' });
    if (!failed) return command;
  }
  const checksum = await publishedChecksum();
  const directory =
    typeof checksum === 'string' ? await download(checksum, progress) : await build(checksum, progress);
  const link = join(binDirectory(), 'terraform');
  await mkdir(binDirectory(), { recursive: true });
  await rm(link, { force: true });
  await symlink(join(directory, 'terraform'), link);
  return link;
}

/** SHA-256 of the archive in hex, or why it cannot be had. */
async function publishedChecksum(): Promise<string | Error> {
  try {
    const sums = await fetchBytes(`${RELEASES}/terraform_${VERSION}_SHA256SUMS`, CONNECT_TIMEOUT_MS);
    const line = sums
      .toString()
      .split('\n')
      .find((candidate) => candidate.endsWith(`  ${ARCHIVE}`));
    return line?.split(' ')[0] ?? new Error(`${ARCHIVE} is not in ${RELEASES}`);
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

async function download(checksum: string, progress: (line: string) => void): Promise<string> {
  return cached(`terraform/${VERSION}`, async (directory) => {
    progress(`downloading terraform ${VERSION}`);
    const bytes = await fetchBytes(`${RELEASES}/${ARCHIVE}`, DOWNLOAD_TIMEOUT_MS);
    const actual = createHash('sha256').update(bytes).digest('hex');
    if (actual !== checksum)
      throw new Error(`${RELEASES}/${ARCHIVE} has SHA-256 ${actual}, published is ${checksum}`);
    await writeFile(join(directory, ARCHIVE), bytes);
    await execa('busybox', ['unzip', '-q', ARCHIVE, 'terraform'], { cwd: directory });
    await rm(join(directory, ARCHIVE));
  });
}

async function build(unreachable: Error, progress: (line: string) => void): Promise<string> {
  const go = await findGo();
  if (!go) {
    throw new Error(
      `terraform is missing, ${RELEASES} cannot be reached (${reason(unreachable)}), and there is no Go >= 1.21 to build it. ` +
        'Put terraform or tofu into PATH, or install Go from https://go.dev/dl.',
    );
  }
  return cached(`terraform/${BUILDABLE_VERSION}`, async (directory) => {
    progress(`building terraform ${BUILDABLE_VERSION} with Go (several minutes)`);
    const module = `github.com/hashicorp/terraform@v${BUILDABLE_VERSION}`;
    const { stdout } = await execa(go, ['mod', 'download', '-json', module], {
      cwd: directory,
      stdin: 'ignore',
    });
    // Go keeps module sources read-only, and Terraform builds only as the main module.
    const source = join(directory, 'source');
    await cp(JSON.parse(stdout).Dir, source, { recursive: true });
    await execa('chmod', ['-R', 'u+w', source]);
    const ldflags = '-X github.com/hashicorp/terraform/version.dev=no';
    await goBuild({ go, directory: source, target: '.', output: join(directory, 'terraform'), ldflags });
    await rm(source, { recursive: true });
  });
}

async function fetchBytes(url: string, timeoutMs: number): Promise<Buffer> {
  const response = await fetch(url, { signal: AbortSignal.timeout(timeoutMs) });
  if (!response.ok) throw new Error(`HTTP status ${response.status}`);
  return Buffer.from(await response.arrayBuffer());
}

/** `fetch` hides what happened ("fetch failed") in the cause. */
function reason(error: Error): string {
  return error.cause instanceof Error ? error.cause.message : error.message;
}
