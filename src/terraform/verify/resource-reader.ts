/** Asks the warm provider how the resources of a state are now, without a terraform. */

import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import type { AllowedHost } from '../../system/allowed-host.ts';
import { traced } from '../../telemetry/spans.ts';
import type { TerraformBinary } from '../install/terraform.ts';
import type { ProviderPool } from '../provider/pool.ts';
import type { ProviderProcess } from '../provider/process.ts';
import { GrpcChannel, NoAnswerError } from '../provider/protocol/grpc-channel.ts';
import { type EncodedResource, PluginClient } from '../provider/protocol/plugin-client.ts';
import type { PriorResource } from './prior-resources.ts';

export interface ResourceReaderOptions {
  readonly binary: () => Promise<TerraformBinary>;
  readonly providerMode: 'warm' | 'fork';
  readonly providers: ProviderPool;
  /** How long the provider may take to connect to libvirt, or to read one resource. */
  readonly timeoutMs: number;
  /** See `LauncherOptions`. */
  readonly mayRun?: (() => void) | undefined;
}

/** Digests: what they were made of holds secrets. */
export interface Reading {
  /** Of the files of terraform and of the provider that answered. */
  readonly programs: string;
  /** Of all that the provider said. */
  readonly answers: string;
}

interface Connection {
  readonly channel: GrpcChannel;
  /** Of a provider that is connected to libvirt by then. */
  readonly client: Promise<PluginClient>;
}

export class ResourceReader {
  readonly #options: ResourceReaderOptions;
  readonly #connections = new WeakMap<ProviderProcess, Connection>();

  constructor(options: ResourceReaderOptions) {
    this.#options = options;
  }

  /** False: each terraform starts a provider of its own, and there is none to ask. */
  get isAvailable(): boolean {
    return this.#options.providerMode === 'warm';
  }

  /** Brings resources of a state into the form in which they are read. @param uri libvirt URI, which is the provider's key */
  encode(uri: AllowedHost, resources: readonly PriorResource[]): Promise<EncodedResource[]> {
    return this.#with(uri, ({ client }) =>
      Promise.all(
        resources.map(async ({ type, schemaVersion, attributes, private: own }) => ({
          type,
          // A copy: a part of the answer would keep all of it.
          state: Buffer.from(await client.upgrade(type, schemaVersion, attributes)),
          private: own,
        })),
      ),
    );
  }

  /**
   * Reads all of them.
   * @throws Error for whatever the provider reports, and if it does not answer: then it is ended, as under a terraform
   */
  read(uri: AllowedHost, resources: readonly EncodedResource[]): Promise<Reading> {
    return traced('read resources', {}, () =>
      this.#with(uri, async ({ client, host }) => {
        const answers = await Promise.all(resources.map((resource) => client.read(resource)));
        return {
          programs: await this.#programs(host),
          answers: digestOf(answers.flatMap((answer) => [answer.state, answer.private])),
        };
      }),
    );
  }

  async #with<T>(
    uri: AllowedHost,
    work: (parts: { readonly client: PluginClient; readonly host: ProviderProcess }) => Promise<T>,
  ): Promise<T> {
    this.#options.mayRun?.();
    const host = await this.#options.providers.get(uri);
    const entry = await host.enter();
    try {
      const client = await this.#clientOf(host, uri);
      entry.configured();
      return await work({ client, host });
    } catch (error) {
      if (error instanceof NoAnswerError) {
        host.kill();
        // The plan that follows has a new one.
        await this.#options.providers.restart(uri, host);
      }
      throw error;
    } finally {
      entry.leave();
    }
  }

  #clientOf(host: ProviderProcess, uri: AllowedHost): Promise<PluginClient> {
    const known = this.#connections.get(host);
    if (known?.channel.usable) return known.client;
    const channel = new GrpcChannel(host.address);
    void host.ended.then(() => channel.close());
    const client = this.#configure(channel, uri);
    client.catch(() => channel.close());
    this.#connections.set(host, { channel, client });
    return client;
  }

  async #configure(channel: GrpcChannel, uri: AllowedHost): Promise<PluginClient> {
    const client = new PluginClient(channel, this.#options.timeoutMs);
    await client.configure({ uri }, (await this.#options.binary()).version);
    return client;
  }

  /** Of the provider's the file that runs, whatever is in its place by now. */
  async #programs({ pid }: ProviderProcess): Promise<string> {
    const terraform = await this.#options.binary();
    const files = await Promise.all([terraform.path, `/proc/${pid}/exe`].map((path) => stat(path)));
    const versions = files.map(({ dev, ino, size, mtimeMs }) => [dev, ino, size, mtimeMs].join(' '));
    return digestOf([terraform.path, terraform.version, ...versions]);
  }
}

/** Of a row of texts or bytes, of which each counts with its length. */
export function digestOf(parts: readonly (Uint8Array | string)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${Buffer.byteLength(part)}:`).update(part);
  return hash.digest('base64');
}
