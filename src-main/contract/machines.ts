/** What the UI says and learns of machines: Docker on this one, and others that are reached by SSH. */

/** Whether Docker can be used here. */
export interface DockerCheck {
  readonly usable: boolean;
  /** Why not, and what to do, in one line; only when it is not usable. */
  readonly reason?: string;
  /** Of the Docker Engine. */
  readonly version?: string;
  /** What the Engine's machine has in all, for the nodes to share. */
  readonly cpus?: number;
  readonly memoryBytes?: number;
  /** False: the first start builds the node image, which takes about a minute. */
  readonly imageCached?: boolean;
}

/** Secrets go in with this and never come out again. */
export type SshAuth =
  /** A private key on the machine that Drydock runs on. */
  | { readonly kind: 'key'; readonly path: string; readonly passphrase?: string }
  | { readonly kind: 'agent' }
  | { readonly kind: 'password'; readonly password: string };

export interface SshHop {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly auth: SshAuth;
  /** Fingerprint of the host key that the person trusts: `SHA256:…`. Without one nothing is sent after the key exchange. */
  readonly hostKey?: string;
}

export interface SshTarget extends SshHop {
  /** Machine to go through. */
  readonly jump?: SshHop;
  /** Path of an archive on the machine that Drydock runs on, to install from where no mirror can be reached. */
  readonly archive?: string;
}

export interface SshHostKey {
  /** `ssh-ed25519` */
  readonly algorithm: string;
  /** `SHA256:…`, as ssh prints it. */
  readonly fingerprint: string;
  /** Whether it is the one that the target names. */
  readonly trusted: boolean;
}

/** Something the machine lacks. */
export interface SshMissing {
  /** `containerd`, `nftables`, `root`, … */
  readonly name: string;
  /** One line: what is wrong, or that Drydock installs it. */
  readonly text: string;
  /** Whether adding the machine puts it right; otherwise the person has to. */
  readonly installable: boolean;
}

export interface SshFacts {
  /** `Debian GNU/Linux 12 (bookworm)` */
  readonly os: string;
  readonly arch: string;
  readonly kernel: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly freeDiskBytes: number;
  /** Who runs the agent. */
  readonly supervisor: 'systemd' | 'process';
}

/**
 * What a test of a connection found. A host key that is not trusted yet ends the test there: `facts` and `missing` come with
 * the next one, made with the key in the target.
 */
export interface SshProbe {
  readonly hostKey?: SshHostKey;
  /** Only with a jump host; while it is not trusted the machine behind it is unknown. */
  readonly jumpHostKey?: SshHostKey;
  readonly facts?: SshFacts;
  readonly missing: readonly SshMissing[];
}

export type ImageSource =
  /** An image of this machine's Docker, by name: `nginx:1.29`. */
  | { readonly name: string }
  /** An archive on the machine that Drydock runs on, as `docker save` writes it. */
  | { readonly file: string };
