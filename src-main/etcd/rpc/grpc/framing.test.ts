import { describe, expect, it } from 'vitest';
import { frame, FrameReader } from './framing.ts';
import { encodeGrpcMessage, parseGrpcTimeout } from './status.ts';

describe('frames', () => {
  const framed = Buffer.concat([frame(Buffer.from('one')), frame(Buffer.alloc(0)), frame(Buffer.from('three'))]);

  it.each([1, 2, 5, 6, 100])('come out whole when they arrive %i bytes at a time', (size) => {
    const reader = new FrameReader(10);
    const messages: string[] = [];
    for (let at = 0; at < framed.length; at += size) {
      for (const message of reader.push(framed.subarray(at, at + size))) messages.push(message.toString());
    }
    expect(messages).toEqual(['one', '', 'three']);
  });

  it('are refused when too long, before their content is there, and when compressed', () => {
    const long = frame(Buffer.alloc(11)).subarray(0, 5);
    expect(() => new FrameReader(10).push(long)).toThrow('received message larger than max (11 vs. 10)');
    expect(() => new FrameReader(10).push(Buffer.from([1, 0, 0, 0, 0]))).toThrow('compressed flag set');
  });
});

it('a status text is printable ASCII on the wire', () => {
  const text = 'größer als 100 %\n';
  const encoded = encodeGrpcMessage(text);
  expect(encoded).toBe('gr%C3%B6%C3%9Fer als 100 %25%0A');
  expect(decodeURIComponent(encoded)).toBe(text);
});

it.each([
  ['1H', 3_600_000],
  ['2M', 120_000],
  ['99999999S', 99_999_999_000],
  ['15m', 15],
  ['500u', 0.5],
  ['1n', 0.000001],
  ['123456789S', undefined],
  ['1', undefined],
  ['-1S', undefined],
])('grpc-timeout %s is %s ms', (text, ms) => {
  expect(parseGrpcTimeout(text)).toBe(ms);
});
