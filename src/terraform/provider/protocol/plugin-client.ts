/**
 * What Terraform asks of a provider when it refreshes a state, by the same protocol:
 * https://github.com/hashicorp/terraform/blob/v1.11.4/docs/plugin-protocol/tfplugin5.8.proto. Values stay as the provider encodes them.
 */

import type { GrpcChannel } from './grpc-channel.ts';
import { bytesField, bytesIn, type Fields, fieldsOf, integerField } from './protobuf.ts';

/** The provider has something to say, be it a warning. What it says may hold secrets, and is not kept. */
export class DiagnosticError extends Error {
  constructor(method: string) {
    super(`${method}: the provider reports a problem`);
    this.name = 'DiagnosticError';
  }
}

/** A resource as it is handed to the provider. */
export interface EncodedResource {
  readonly type: string;
  /** The attributes, in MessagePack. */
  readonly state: Buffer;
  /** What the provider itself has put aside in the state. */
  readonly private: Buffer;
}

/** What the provider says of a resource. */
export interface ReadAnswer {
  /** DynamicValue; of a resource that is gone it holds null. */
  readonly state: Buffer;
  readonly private: Buffer;
}

export class PluginClient {
  readonly #channel: Pick<GrpcChannel, 'call'>;
  readonly #limitMs: number;

  /** @param limitMs how long the provider may take for one answer */
  constructor(channel: Pick<GrpcChannel, 'call'>, limitMs: number) {
    this.#channel = channel;
    this.#limitMs = limitMs;
  }

  /**
   * Connects the provider to libvirt. @param settings the arguments of the `provider` block, all of them
   * @throws as all calls do: DiagnosticError, NoAnswerError, Error
   */
  async configure(settings: Readonly<Record<string, string>>, terraformVersion: string): Promise<void> {
    const config = bytesField(1, dynamicValue(encodeTexts(settings)));
    const prepared = await this.#call('PrepareProviderConfig', config, 2);
    const request = [bytesField(1, terraformVersion), bytesField(2, valueIn(prepared))];
    await this.#call('Configure', Buffer.concat(request), 1);
  }

  /** Brings attributes of a state to the provider's schema. `json`: as they stand there. Returns MessagePack. */
  async upgrade(type: string, schemaVersion: number, json: string): Promise<Buffer> {
    const request = [bytesField(1, type), integerField(2, schemaVersion), bytesField(3, bytesField(1, json))];
    const upgraded = valueIn(await this.#call('UpgradeResourceState', Buffer.concat(request), 2));
    return bytesIn(fieldsOf(upgraded), 1) ?? fail('UpgradeResourceState');
  }

  /** Asks how a resource is now. */
  async read(resource: EncodedResource): Promise<ReadAnswer> {
    const request = [
      bytesField(1, resource.type),
      bytesField(2, dynamicValue(resource.state)),
      bytesField(3, resource.private),
    ];
    const answer = await this.#call('ReadResource', Buffer.concat(request), 2);
    // One of a later protocol, for example that the answer is put off.
    if ([...answer.keys()].some((number) => number !== 1 && number !== 3)) return fail('ReadResource');
    return { state: valueIn(answer), private: bytesIn(answer, 3) ?? Buffer.alloc(0) };
  }

  /** @param diagnostics number of the field that has them */
  async #call(method: string, request: Buffer, diagnostics: number): Promise<Fields> {
    const answer = await this.#channel.call(`/tfplugin5.Provider/${method}`, request, this.#limitMs);
    const fields = fieldsOf(answer);
    if (fields.has(diagnostics)) throw new DiagnosticError(method);
    return fields;
  }
}

function dynamicValue(messagePack: Uint8Array): Buffer {
  return bytesField(1, messagePack);
}

/** Of an answer whose first field is a DynamicValue. */
function valueIn(answer: Fields): Buffer {
  return bytesIn(answer, 1) ?? fail('answer');
}

function fail(what: string): never {
  throw new Error(`${what}: the provider answers with something else than expected`);
}

/** Encodes a map of texts in MessagePack: `map 16` of `str 32`. https://github.com/msgpack/msgpack/blob/master/spec.md */
function encodeTexts(texts: Readonly<Record<string, string>>): Buffer {
  const entries = Object.entries(texts);
  const head = Buffer.from([0xde, 0, 0]);
  head.writeUInt16BE(entries.length, 1);
  return Buffer.concat([head, ...entries.flat().map(encodeText)]);
}

function encodeText(text: string): Buffer {
  const bytes = Buffer.from(text);
  const head = Buffer.from([0xdb, 0, 0, 0, 0]);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}
