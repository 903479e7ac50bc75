/** Prints, when a test runs it, how many files of cdktf its main thread has loaded, and exits. */
import { createRequire } from 'node:module';
import { Synthesizer } from '../../stacks/synthesizer.ts';
import { minimalMachine } from './intents.ts';

await new Synthesizer().machine(minimalMachine, { kind: 'implicit' });
const loaded = Object.keys(createRequire(import.meta.url).cache);
console.log(loaded.filter((path) => /node_modules\/cdkt[fn]\//.test(path)).length);
