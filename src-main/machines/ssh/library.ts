import ssh2 from 'ssh2';

/** ssh2 is CommonJS whose named exports Node cannot see; this is the one place that knows. */
export const { Client, utils, createAgent } = ssh2;
