import { createReadStream } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** Items held at once: some tens of MB. */
const RUN = 50_000;

/**
 * Sorts items of any number: runs are sorted in memory, laid down in a temporary folder as JSON lines and merged from
 * there. `read` parses a line; the folder is gone when the last item was taken, or the reader stops.
 */
export async function* sortedOnDisk<Item>(
  items: AsyncIterable<Item>,
  compare: (a: Item, b: Item) => number,
  read: (line: string) => Item,
  runSize = RUN,
): AsyncGenerator<Item> {
  let folder: string | null = null;
  try {
    const files: string[] = [];
    let run: Item[] = [];
    const layDown = async (): Promise<void> => {
      folder ??= await mkdtemp(join(tmpdir(), 'crossfade-sort-'));
      const file = join(folder, String(files.length));
      const lines = run.toSorted(compare).map((item) => `${JSON.stringify(item)}\n`);
      await writeFile(file, lines.join(''));
      files.push(file);
      run = [];
    };
    for await (const item of items) {
      run.push(item);
      if (run.length >= runSize) await layDown();
    }
    // What fits in memory needs no disk.
    if (files.length === 0) {
      yield* run.toSorted(compare);
      return;
    }
    await layDown();
    yield* merged(
      files.map((file) => linesOf(file, read)),
      compare,
    );
  } finally {
    if (folder !== null) await rm(folder, { recursive: true, force: true });
  }
}

async function* linesOf<Item>(file: string, read: (line: string) => Item): AsyncGenerator<Item, undefined> {
  for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Infinity })) yield read(line);
}

/** Runs are few (a million items are twenty), so the least of their heads is simply looked for. Equal items keep the order of their runs. */
async function* merged<Item>(
  runs: readonly AsyncGenerator<Item, undefined>[],
  compare: (a: Item, b: Item) => number,
): AsyncGenerator<Item> {
  const heads = await Promise.all(runs.map(async (run) => ({ run, next: await run.next() })));
  for (;;) {
    let least: (typeof heads)[number] | null = null;
    let item: Item | null = null;
    for (const head of heads) {
      if (head.next.done === true) continue;
      if (item === null || compare(head.next.value, item) < 0) [least, item] = [head, head.next.value];
    }
    if (least === null || item === null) return;
    yield item;
    least.next = await least.run.next();
  }
}
