/** `npm run sbom [-- FILE]`: writes what an installation is made of, as CycloneDX JSON, to FILE or the terminal. */
import { writeFile } from 'node:fs/promises';
import { billOfMaterials } from './release/bill-of-materials.ts';

const text = await billOfMaterials();
const [file] = process.argv.slice(2);
if (file === undefined) process.stdout.write(text);
else await writeFile(file, text);
