// SPDX-License-Identifier: Apache-2.0
// Usage: write.mjs FILE SIZE COUNT CHUNK [--sync]. COUNT messages of SIZE bytes by npm's @mcap/core, in
// chunks of CHUNK bytes, without compression, with their CRC.
import { McapWriter } from "@mcap/core";
import { randomBytes } from "node:crypto";
import { closeSync, fsyncSync, openSync, writeSync } from "node:fs";

const [path, size, count, chunk] = [process.argv[2], ...process.argv.slice(3, 6).map(Number)];
const cpu = () => {
	const used = process.resourceUsage();
	return (used.userCPUTime + used.systemCPUTime) / 1e6;
};

const message = randomBytes(size);
const began = process.hrtime.bigint();
const before = cpu();
const file = openSync(path, "w");
let at = 0n;
const writable = {
	position: () => at,
	write: async (bytes) => {
		for (let done = 0; done < bytes.length;) done += writeSync(file, bytes, done);
		at += BigInt(bytes.length);
	},
};
const writer = new McapWriter({ writable, chunkSize: chunk });
await writer.start({ profile: "", library: "" });
const channelId = await writer.registerChannel({
	topic: "bench",
	messageEncoding: "",
	schemaId: 0,
	metadata: new Map(),
});
for (let sequence = 0; sequence < count; sequence++) {
	message.writeUInt32LE(sequence);
	const now = BigInt(Date.now()) * 1000000n;
	await writer.addMessage({ channelId, sequence, logTime: now, publishTime: now, data: message });
}
await writer.end();
if (process.argv.includes("--sync")) fsyncSync(file);
closeSync(file);
const seconds = Number(process.hrtime.bigint() - began) / 1e9;
console.log(JSON.stringify({ value: count / seconds, seconds, cpu_s: cpu() - before }));
