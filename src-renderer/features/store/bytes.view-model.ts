/** One line of a hex dump: 16 bytes. */
export interface HexLine {
  readonly offset: string;
  /** Two digits a byte, in two groups of eight. */
  readonly hex: string;
  /** Printable ASCII; a dot for anything else. */
  readonly text: string;
}

const width = 16;

export function bytesOf(base64: string): Uint8Array {
  const text = atob(base64);
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

export function hexLineCount(bytes: Uint8Array): number {
  return Math.ceil(bytes.length / width);
}

export function hexLine(bytes: Uint8Array, index: number): HexLine {
  const some = bytes.subarray(index * width, (index + 1) * width);
  const pairs = Array.from(some, (byte) => byte.toString(16).padStart(2, '0'));
  return {
    offset: (index * width).toString(16).padStart(8, '0'),
    hex: `${pairs.slice(0, 8).join(' ')}  ${pairs.slice(8).join(' ')}`.padEnd(width * 3),
    text: Array.from(some, (byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')).join(''),
  };
}
