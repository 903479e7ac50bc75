import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Command, InvalidArgumentError } from 'commander';
import { Lab } from './lab.ts';

const program = new Command('lab')
  .description(
    'A private libvirt with QEMU for demo and tests. It never touches the libvirt of this machine.',
  )
  .option('--name <name>', 'which lab; labs of different names run side by side', 'demo')
  .showHelpAfterError()
  .enablePositionalOptions()
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
  .addHelpText(
    'after',
    '\nNeeds root, and once: test/lab/setup.sh --lab. Exit codes: 0 done, 1 failed or not running, 2 usage.',
  );

program
  .command('up')
  .description('start it, or what of it is missing')
  .option('--hosts <n>', 'number of libvirt hosts', parseCount, 1)
  .option(
    '--uplink',
    'link the hosts to this machine: qemu+tcp works, guests reach this machine; unauthenticated',
  )
  .action(async (options: { hosts: number; uplink?: boolean }) => {
    const lab = await Lab.up({ name: name(), ...options, progress });
    for (const host of lab.hosts)
      progress(`${host.name} is up: ${[host.uri, host.tcpUri ?? ''].join(' ').trim()}`);
    progress(`guest image: ${lab.imagePath}`);
  });

program
  .command('down')
  .description('end all its processes and guests, and remove all its files')
  .action(async () => {
    await (await Lab.find({ name: name() }))?.down();
    progress(`lab ${name()} is down`);
  });

program
  .command('status')
  .description('say which hosts answer; exit code 1 if one does not, or there is no lab')
  .action(async () => {
    const lab = await Lab.find({ name: name() });
    if (!lab?.hosts.length) {
      console.log(`lab ${name()} is down`);
      process.exitCode = 1;
    }
    for (const host of lab?.hosts ?? []) {
      const running = await host.isRunning();
      console.log(`${host.name}  ${running ? 'running' : 'not running'}  ${host.uri}`);
      if (!running) process.exitCode = 1;
    }
  });

program
  .command('env')
  .description('print what to export to use it by hand: eval "$(npm run -s lab -- env)"')
  .action(async () => {
    const { PATH, ...environment } = (await existing()).env();
    for (const [key, value] of Object.entries(environment)) console.log(`export ${key}='${value}'`);
    // npm has put directories of its own into this process's PATH; only the last one is for the user's shell.
    console.log(`export PATH="$PATH:${PATH?.split(':').at(-1)}"`);
  });

program
  .command('exec')
  .description("run a command in a host's network, where the guests' addresses are reachable")
  .option('--host <n>', 'which host', parseCount, 1)
  .argument('<command...>')
  .passThroughOptions()
  .action(async (command: string[], options: { host: number }) => {
    const host = (await existing()).hosts[options.host - 1];
    if (!host) throw new Error(`the lab has no host ${options.host}`);
    const { pid } = await host.sandbox();
    const child = spawn('nsenter', ['--target', String(pid), '--net', '--', ...command], {
      stdio: 'inherit',
    });
    const [code] = await once(child, 'exit');
    process.exitCode = code ?? 1;
  });

try {
  await program.parseAsync();
} catch (error) {
  console.error(`lab: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
}

function name(): string {
  return program.opts<{ name: string }>().name;
}

async function existing(): Promise<Lab> {
  const lab = await Lab.find({ name: name() });
  if (!lab) throw new Error(`lab ${name()} is not up: npm run lab -- up`);
  return lab;
}

function progress(line: string): void {
  console.error(`lab: ${line}`);
}

function parseCount(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1 || count > 9)
    throw new InvalidArgumentError('use a number from 1 to 9');
  return count;
}
