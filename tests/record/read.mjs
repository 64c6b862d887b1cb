// SPDX-License-Identifier: Apache-2.0
// Reads a recording with @mcap/core, by index and as a stream, with all CRCs, and prints how many
// messages there are.
import { McapIndexedReader, McapStreamReader } from "@mcap/core";
import { loadDecompressHandlers } from "@mcap/support";
import { open } from "node:fs/promises";

const file = await open(process.argv[2]);
const decompressHandlers = await loadDecompressHandlers();
const readable = {
	size: async () => BigInt((await file.stat()).size),
	read: async (offset, size) => {
		const bytes = new Uint8Array(Number(size));
		await file.read(bytes, 0, Number(size), Number(offset));
		return bytes;
	},
};
const reader = await McapIndexedReader.Initialize({ readable, decompressHandlers });
let byIndex = 0;
for await (const message of reader.readMessages({ validateCrcs: true })) byIndex += message.data ? 1 : 0;

const stream = new McapStreamReader({ decompressHandlers, validateCrcs: true });
stream.append(new Uint8Array(await readable.read(0n, await readable.size())));
let asStream = 0;
for (let record; (record = stream.nextRecord()); ) asStream += record.type === "Message" ? 1 : 0;
if (!stream.done() || byIndex !== asStream) {
	console.error(`by index ${byIndex}, as a stream ${asStream}, done ${stream.done()}`);
	process.exit(1);
}
console.log(byIndex);
await file.close();
