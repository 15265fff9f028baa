// Renders by sharp what the lines of standard input ask for, on one thread without a cache; the same talk as child.py.
import { createRequire } from "node:module";
import { writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { join } from "node:path";

const sharp = createRequire(join(process.cwd(), "package.json"))("sharp");
sharp.concurrency(1);
sharp.cache(false);

const OUTPUTS = {
  jpeg: (picture, settings) => picture.jpeg({ quality: 80, ...settings }),
  png: (picture, settings) => picture.png({ compressionLevel: 6, ...settings }),
  webp: (picture, settings) => picture.webp({ quality: 80, effort: 4, ...settings }),
};

async function rendered({ original, side, format, settings }) {
  const box = { fit: "inside", withoutEnlargement: true };
  return OUTPUTS[format](sharp(original).autoOrient().resize(side, side, box), settings).toBuffer();
}

for await (const line of createInterface({ input: process.stdin })) {
  const wish = JSON.parse(line);
  const began = process.cpuUsage();
  const made = [];
  for (const side of wish.sides) made.push(await rendered({ ...wish, side }));
  const spent = process.cpuUsage(began);
  if (wish.keep) writeFileSync(wish.keep, made[0]);
  console.log(JSON.stringify({ milliseconds: (spent.user + spent.system) / 1000, bytes: made.map((one) => one.length) }));
}
