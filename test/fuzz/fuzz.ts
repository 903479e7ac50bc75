/**
 * Runs the fuzz campaign (`npm run fuzz`): gives each reader of untrusted input many inputs, and writes REPORT.md beside
 * this file. CAPLV_FUZZ_SEED generates other inputs, CAPLV_FUZZ_RUNS another number of them. Exits with 1 if anything went
 * wrong. `npm run fuzz -- NAME` runs the readers whose names contain NAME, and writes no report.
 */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type CampaignResult, runCampaign } from './campaign.ts';
import { READERS } from './readers.ts';
import { reportText } from './report.ts';

const seed = Number(process.env['CAPLV_FUZZ_SEED'] ?? 1);
const [part] = process.argv.slice(2);
const unhandled: string[] = [];
const report = (error: unknown) => {
  process.exitCode = 1;
  unhandled.push(String((error as Error)?.stack ?? error));
  console.error(error);
};
process.on('unhandledRejection', report);
process.on('uncaughtException', report);

console.info(`CAPLV_FUZZ_SEED=${seed}`);
const results: CampaignResult[] = [];
for (const reader of READERS.filter(({ name }) => part === undefined || name.includes(part))) {
  const runs = Number(process.env['CAPLV_FUZZ_RUNS'] ?? reader.runs);
  const result = await runCampaign(reader, { runs, seed });
  results.push(result);
  const { name, read, refused, longestBlockMs, problems } = result;
  console.info(
    `${name}: ${read} read, ${refused} refused, the longest block ${Math.round(longestBlockMs)} ms, ${problems.length} problems`,
  );
  for (const problem of problems.slice(0, 200)) console.info(problem);
}
const page = reportText({ seed, results, unhandled });
if (part === undefined) await writeFile(join(import.meta.dirname, 'REPORT.md'), page);
if (results.some(({ problems }) => problems.length > 0)) process.exitCode = 1;
