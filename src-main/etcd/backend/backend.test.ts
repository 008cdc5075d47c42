import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Backend } from './backend.ts';
import { encodeValue } from './codec.ts';
import { dataFile } from './environment.ts';

let path: string;
let backend: Backend;

beforeEach(async () => {
  path = mkdtempSync(join(tmpdir(), 'drydock-backend-'));
  backend = await Backend.open(path, () => {});
});

afterEach(async () => {
  await backend.close();
  rmSync(path, { recursive: true, force: true });
});

const put = (from: number, count: number, text = 'x'.repeat(1000)): Promise<void> =>
  backend.commit((batch) => {
    for (let i = from; i < from + count; i++) batch.put('values', i, Buffer.from(`${i} ${text}`));
  });
const numbers = (of: Backend): number[] => [...of.tables.values.getKeys()];
const sizeOf = (folder: string): number => statSync(dataFile(folder)).size;

/** Two thousand values, of which every tenth is left. */
async function fillAndThin(): Promise<number[]> {
  await put(1, 2000);
  await backend.commit((batch) => {
    for (let i = 1; i <= 2000; i++) if (i % 10 !== 0) batch.remove('values', i);
  });
  return numbers(backend);
}

describe('defragmentation', () => {
  it('gives space back while others read and write, and keeps everything', async () => {
    const kept = await fillAndThin();
    const before = sizeOf(path);
    const defragmented = backend.defragment();
    const written = [put(3001, 1), put(3002, 1)];
    expect(numbers(backend)).toEqual(kept);
    await defragmented;
    await Promise.all(written);
    await put(3003, 1);
    expect(sizeOf(path)).toBeLessThan(before / 4);
    expect(backend.size().inUseBytes).toBeLessThanOrEqual(sizeOf(path));
    await backend.close();
    backend = await Backend.open(path, () => {});
    expect(numbers(backend)).toEqual([...kept, 3001, 3002, 3003]);
    expect(readdirSync(path).sort()).toEqual(['data.mdb', 'lock.mdb']);
  });

  it('may be asked for again and again, also twice at once', async () => {
    const kept = await fillAndThin();
    for (let i = 0; i < 5; i++) {
      const [first, second] = [backend.defragment(), backend.defragment()];
      await Promise.all([first, second, put(4000 + i, 1)]);
    }
    expect(numbers(backend)).toEqual([...kept, 4000, 4001, 4002, 4003, 4004]);
  });

  it('that was cut short leaves the old file, and its rest goes when the store is opened', async () => {
    const kept = await fillAndThin();
    await backend.close();
    mkdirSync(join(path, 'defragment-7'));
    writeFileSync(join(path, 'defragment-7', 'data.mdb'), 'half a file');
    backend = await Backend.open(path, () => {});
    expect(numbers(backend)).toEqual(kept);
    expect(readdirSync(path).sort()).toEqual(['data.mdb', 'lock.mdb']);
  });

  it('under way when the store closes is waited for', async () => {
    const kept = await fillAndThin();
    const defragmented = backend.defragment().catch((error: unknown) => error);
    await backend.close();
    expect(await defragmented).toMatchObject({ code: 'UNAVAILABLE' });
    backend = await Backend.open(path, () => {});
    expect(numbers(backend)).toEqual(kept);
  });
});

describe('a value', () => {
  it("of any size is the reader's own", async () => {
    const key = '/registry/a';
    const sizes = [0, 10, 3000, 40_000, 300_000];
    const headers = sizes.map((_size, i) => ({ key, id: i + 2, createRevision: 2, version: 1, lease: 0n }));
    const valueOf = (i: number): Buffer => Buffer.alloc(sizes[i] ?? 0, i + 1);
    await backend.commit((batch) => {
      for (const [i, header] of headers.entries()) batch.put('values', header.id, encodeValue(header, valueOf(i)));
    });
    for (let round = 0; round < 2; round++) {
      const read = headers.map((header) => backend.readValue(key, header.id));
      for (const [i, found] of read.entries()) {
        expect(found?.header).toEqual(headers[i]);
        expect(Buffer.from(found?.value ?? []).equals(valueOf(i))).toBe(true);
      }
    }
    expect(backend.readValue(key, 99)).toBeUndefined();
  });
});

describe('a copy', () => {
  it('has what was on disk at one moment, whatever is written meanwhile', async () => {
    const kept = await fillAndThin();
    const folder = join(path, 'copy');
    const copied = backend.copyTo(folder);
    for (let i = 0; i < 20; i++) {
      // Both or neither are in the copy.
      await backend.commit((batch) => {
        batch.put('values', 5000 + i, Buffer.from('first'));
        batch.put('values', 6000 + i, Buffer.from('second'));
      });
    }
    await copied;
    await backend.defragment();
    const copy = await Backend.open(folder, () => {});
    const found = numbers(copy);
    await copy.close();
    expect(found.filter((number) => number <= 2000)).toEqual(kept);
    const firsts = found.filter((number) => number >= 5000 && number < 6000);
    expect(found.filter((number) => number >= 6000)).toEqual(firsts.map((number) => number + 1000));
  });

  it('that finds no room leaves nothing', async () => {
    await put(1, 10);
    writeFileSync(join(path, 'file'), '');
    await expect(backend.copyTo(join(path, 'file', 'copy'))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await put(11, 1);
    expect(numbers(backend)).toHaveLength(11);
  });
});
