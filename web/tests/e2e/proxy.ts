// HAProxy, with the example of docs/OPERATIONS.md, which serves the server below /snack/ and strips that path.
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'

import { freePort } from './servers'

const MANUAL = new URL('../../../docs/OPERATIONS.md', import.meta.url)

export interface Proxy {
  /** The address of the host. */
  origin: string
  end: () => void
}

export async function startProxy(server: string): Promise<Proxy> {
  const origin = `127.0.0.1:${await freePort()}`
  const [, example] = /```haproxy\n([\s\S]*?)```/.exec(readFileSync(MANUAL, 'utf8'))!
  const config = example!
    .replace(/bind .*/, `bind ${origin}`)
    .replace(/server snack .*/, `server snack ${new URL(server).host}`)
  expect(config).toContain(`bind ${origin}\n`)
  expect(config).toContain(new URL(server).host)
  const folder = mkdtempSync(join(tmpdir(), 'snack-proxy-'))
  const file = join(folder, 'haproxy.cfg')
  writeFileSync(file, config)
  // Debian's folder of daemons is not in the path of every user. In the foreground, it ends with this process's signal.
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` }
  const child: ChildProcess = spawn('haproxy', ['-db', '-q', '-f', file], {
    env,
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  process.once('exit', () => child.kill())
  const end = () => {
    child.kill()
    rmSync(folder, { recursive: true, force: true })
  }
  return { origin: `http://${origin}`, end }
}
