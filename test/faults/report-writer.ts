/** Writes REPORT.md from the recorded faults. */

import { readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Reporter, TestModule } from 'vitest/node';
import { type Section, updated } from './report.ts';

const ENDING = '.real.test.ts';
const REPORT = join(import.meta.dirname, 'REPORT.md');

/** Reporter of `npm run test:faults`: writes REPORT.md from what the tests recorded. */
export default class ReportWriter implements Reporter {
  async onTestRunEnd(modules: readonly TestModule[]): Promise<void> {
    // A file that failed, or ran in part (-t, test.only), says nothing about the rest of it.
    const whole = modules.filter(
      (module) =>
        module.ok() && [...module.children.allTests()].every((test) => test.result().state === 'passed'),
    );
    const files = (await readdir(import.meta.dirname)).filter((file) => file.endsWith(ENDING));
    const report = await readFile(REPORT, 'utf8').catch(() => '');
    await writeFile(
      REPORT,
      updated(
        report,
        whole.map(sectionOf),
        files.map((file) => basename(file, ENDING)),
      ),
    );
  }
}

function sectionOf(module: TestModule): Section {
  const faults = [...module.children.allTests()].flatMap((test) => test.meta().faults ?? []);
  return { name: basename(module.moduleId, ENDING), faults };
}
