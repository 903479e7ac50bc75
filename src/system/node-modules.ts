/**
 * Gives out those of Node's modules that take long to load when they are needed, as Node itself has them: most commands need none of them.
 * Measured with Node 24, CPU time of each command that imports it at its start: node:http 17 ms (an import reads each of its exports, also
 * those that load all of undici), node:zlib 4 ms, node:readline and node:dns 1 ms each.
 */

export const http = () => process.getBuiltinModule('node:http');
export const https = () => process.getBuiltinModule('node:https');
/** Returns the module for URLs of the protocol: that of TLS for all but `http:`. */
export const httpFor = (protocol: string) => (protocol === 'http:' ? http() : https());
export const http2 = () => process.getBuiltinModule('node:http2');
export const zlib = () => process.getBuiltinModule('node:zlib');
export const readline = () => process.getBuiltinModule('node:readline');
export const dns = () => process.getBuiltinModule('node:dns/promises');
