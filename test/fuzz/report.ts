/** Writes the report of a fuzz campaign. */

import { BLOCKED_MS, type CampaignResult } from './campaign.ts';

export interface Campaign {
  readonly seed: number;
  readonly results: readonly CampaignResult[];
  /** Errors that no caller got. */
  readonly unhandled: readonly string[];
}

/** Returns the page of a campaign. */
export function reportText({ seed, results, unhandled }: Campaign): string {
  const problems = [...results.flatMap((one) => one.problems), ...unhandled];
  const rows = results.map(
    ({ name, runs, read, refused, longestBlockMs, problems }) =>
      `| ${name} | ${[runs, read, refused, Math.round(longestBlockMs), problems.length].join(' | ')} |`,
  );
  return `# Campaign of made-up input

Written by \`npm run fuzz\` with seed ${seed}. Each input is read as the controller reads it. A problem is an error of a kind that the caller
does not expect, something opened or read that the policy refuses, an error that nobody gets, or more than ${BLOCKED_MS} ms of the thread in
which all other work waits.

| Reader | Inputs | Read | Refused | Longest block, ms of the thread | Problems |
|---|---|---|---|---|---|
${rows.join('\n')}

${problems.length === 0 ? 'No problem was found.' : problems.map((problem) => `- ${problem.replaceAll(/\s+/g, ' ')}`).join('\n')}
`;
}
