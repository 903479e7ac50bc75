/** Verifies the client of Terraform's plugin protocol. */

import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Http2Server, type ServerHttp2Stream } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { GrpcChannel, NoAnswerError } from '../../../../src/terraform/provider/protocol/grpc-channel.ts';
import { DiagnosticError, PluginClient } from '../../../../src/terraform/provider/protocol/plugin-client.ts';
import { bytesField, integerField } from '../../../../src/terraform/provider/protocol/protobuf.ts';

let directory: string;
let server: Http2Server;
let channel: GrpcChannel;
/** What the other side does with a call, by its method. */
let answer: (method: string, stream: ServerHttp2Stream, message: Buffer) => void;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'caplv-grpc-'));
  server = createServer();
  server.on('stream', (stream, headers) => {
    const chunks: Buffer[] = [];
    stream.on('error', () => {});
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () =>
      answer(String(headers[':path']).split('/').at(-1) ?? '', stream, Buffer.concat(chunks)),
    );
  });
  const socket = join(directory, 'socket');
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  channel = new GrpcChannel(socket);
});

afterEach(async () => {
  channel.close();
  server.close();
  await rm(directory, { recursive: true });
});

/** As a gRPC server does: headers, one message, and the status at the end. */
function send(stream: ServerHttp2Stream, message: Buffer, status = '0'): void {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': status }));
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  stream.end(Buffer.concat([prefix, message]));
}

const client = (limitMs = 5_000) => new PluginClient(channel, limitMs);
const value = (text: string) => bytesField(1, bytesField(1, text));
const volume = { type: 'libvirt_volume', state: Buffer.from('prior'), private: Buffer.from('own') };

it('asks for a resource as Terraform does, and returns what the provider says of it', async () => {
  let asked: Buffer | undefined;
  answer = (_, stream, message) => {
    asked = message.subarray(5);
    send(stream, Buffer.concat([value('now'), bytesField(3, 'own')]));
  };
  const read = await client().read(volume);
  expect(read).toEqual({ state: bytesField(1, 'now'), private: Buffer.from('own') });
  const expected = [
    bytesField(1, 'libvirt_volume'),
    bytesField(2, bytesField(1, 'prior')),
    bytesField(3, 'own'),
  ];
  expect(asked).toEqual(Buffer.concat(expected));
});

it('configures the provider with what it has prepared itself', async () => {
  const calls: [string, string][] = [];
  answer = (method, stream, message) => {
    calls.push([method, message.subarray(5).toString('latin1')]);
    send(stream, method === 'PrepareProviderConfig' ? value('prepared') : Buffer.alloc(0));
  };
  await client().configure({ uri: 'qemu:///system' }, '1.11.4');
  expect(calls.map(([method]) => method)).toEqual(['PrepareProviderConfig', 'Configure']);
  expect(calls[0]?.[1]).toContain('\xde\0\x01\xdb\0\0\0\x03uri\xdb\0\0\0\x0eqemu:///system');
  expect(calls[1]?.[1]).toContain('prepared');
});

it('many calls at once each get their own answer', async () => {
  answer = (_, stream, message) => send(stream, value(message.toString('latin1').slice(-1)));
  const reads = ['a', 'b', 'c', 'd'].map((own) => client().read({ ...volume, private: Buffer.from(own) }));
  expect((await Promise.all(reads)).map(({ state }) => state)).toEqual(
    ['a', 'b', 'c', 'd'].map((own) => bytesField(1, own)),
  );
});

it.each([
  [
    'a diagnostic, be it a warning',
    Buffer.concat([value('now'), bytesField(2, integerField(1, 2))]),
    DiagnosticError,
  ],
  ['no state', bytesField(3, 'own'), Error],
  ['a field of a later protocol', Buffer.concat([value('now'), bytesField(4, '')]), Error],
  ['what is no message', Buffer.from('0a', 'hex'), Error],
])('an answer with %s is a failure', async (_, message, kind) => {
  answer = (__, stream) => send(stream, message);
  await expect(client().read(volume)).rejects.toThrow(kind);
});

it('a gRPC status other than OK is a failure, also one without a message, and what it says stays unsaid', async () => {
  answer = (_, stream) => send(stream, value('now'), '2');
  await expect(client().read(volume)).rejects.toThrow('gRPC status 2');
  answer = (_, stream) =>
    stream.respond({ ':status': 200, 'grpc-status': '14', 'grpc-message': 'secret' }, { endStream: true });
  await expect(client().read(volume)).rejects.toThrow(/gRPC status 14$/);
});

it('half an answer is a failure', async () => {
  answer = (_, stream) => {
    stream.respond({ ':status': 200 }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.end(Buffer.from([0, 0, 0, 0, 9, 1]));
  };
  await expect(client().read(volume)).rejects.toThrow('not one plain message');
});

it('a provider that does not answer, or ends meanwhile, is told apart', async () => {
  answer = () => {};
  await expect(client(50).read(volume)).rejects.toThrow(NoAnswerError);
  answer = (_, stream) => stream.session?.destroy();
  await expect(client().read(volume)).rejects.not.toThrow(NoAnswerError);
  await expect(client().read(volume)).rejects.toThrow();
});
