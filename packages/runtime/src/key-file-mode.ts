const groupOrOthers = 0o077
/** Everything of others, and all of the group's but reading. */
const beyondGroupReading = 0o037

/**
 * Why a private key file with this mode is not used; null when it may be.
 *
 * The rule is that of PostgreSQL (libpq): 0600 or stricter, and up to 0640 when root owns the file, because that is
 * how systems hand a key to one group. A Kubernetes secret with `fsGroup` fits: root owns it, and with `defaultMode`
 * 0400 its files come as 0440. Docker's secrets come as 0444 unless told otherwise, and bind mounts have the mode of
 * the host. There is no switch to allow these: where a mode can be wrong it can also be set, and a switch would stay
 * on for the next key.
 */
export function keyFileProblem(
  path: string,
  { mode, uid }: { mode: number; uid: number },
  { platform }: { platform: NodeJS.Platform },
): { problem: string; remedy: string } | null {
  // Windows has no such modes, Node makes them up from the read-only attribute.
  if (platform === 'win32') return null
  const refused = uid === 0 ? beyondGroupReading : groupOrOthers
  if ((mode & refused) === 0) return null
  const octal = (mode & 0o777).toString(8).padStart(4, '0')
  return {
    problem: `the file ${path} has mode ${octal}, which lets others than its owner at it; allowed are 0600 or stricter, and up to 0640 when root owns it`,
    remedy:
      `Run chmod 600 ${path}; for a mounted secret set its mode where it is mounted (Kubernetes: defaultMode 0400 ` +
      'with fsGroup; Docker: mode 0400 with uid).',
  }
}
