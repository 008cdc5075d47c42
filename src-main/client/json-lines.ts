/**
 * Decodes a byte stream of JSON values, one a line. Asks for the next chunk only when its reader has taken what there
 * was, so that a slow reader slows the sender down. A line may come in any number of chunks.
 */
export async function* jsonLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<unknown> {
  let waiting: Uint8Array[] = [];
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
      waiting.push(chunk.subarray(start, end));
      const line = Buffer.concat(waiting).toString('utf8');
      waiting = [];
      start = end + 1;
      if (line.trim() !== '') yield JSON.parse(line);
    }
    if (start < chunk.length) waiting.push(chunk.subarray(start));
  }
  const rest = Buffer.concat(waiting).toString('utf8');
  if (rest.trim() !== '') yield JSON.parse(rest);
}

const newline = 0x0a;
