/** Node 22 and newer have it; the types that Drydock's own code is checked with are those of Node 18. */
interface ImportMeta {
  readonly dirname: string;
}
