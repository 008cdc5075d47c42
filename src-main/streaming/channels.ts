/** The channels of exec and attach, by the first byte of each message (`remotecommand` of k8s.io/apimachinery, release 1.36). */
export const channel = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4, close: 255 } as const;
