// Servers beside the one of the other tests, on a database and a Redis of their own.
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

/** The debug build finds the web app from here. */
const ROOT = fileURLToPath(new URL('../../..', import.meta.url))

export const ADMIN = { email: 'root@example.com', password: 'servers-of-this-test', name: '관리자' }

/** True under `scripts/with-server`, which has the program and a PostgreSQL. */
export const hasPrograms = Boolean(process.env.SERVER && process.env.DATABASE_URL)

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** Waits until something is so. The hook or the test has a limit. */
async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await wait(50)
}

async function stopped(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill()
  await once(child, 'exit')
}

export interface Servers {
  urls: string[]
  stopServer: (index: number) => Promise<void>
  startServer: (index: number) => Promise<void>
  stopRedis: () => Promise<void>
  startRedis: () => Promise<void>
  /** Stops everything. */
  end: () => Promise<void>
}

type Settings = Record<string, string>

/** Starts `count` servers that share a database and a Redis. Their settings may depend on their URLs. */
export async function startServers(
  count: number,
  settings: Settings | ((urls: string[]) => Promise<Settings>) = {},
): Promise<Servers> {
  const program = process.env.SERVER!
  const database = new URL(process.env.DATABASE_URL!)
  const name = `live_${randomBytes(4).toString('hex')}`
  execFileSync('psql', ['--quiet', database.href, '--command', `create database ${name}`])
  database.pathname = `/${name}`
  const scratch = mkdtempSync(join(tmpdir(), 'snack-live-'))
  const redisPort = await freePort()
  const ports = await Promise.all(Array.from({ length: count }, freePort))
  const urls = ports.map((port) => `http://127.0.0.1:${port}`)
  const ownSettings = typeof settings === 'function' ? await settings(urls) : settings
  const children: ChildProcess[] = []
  let redis: ChildProcess
  // Also when the start fails.
  process.once('exit', () => [...children, redis].forEach((child) => child?.kill()))

  const environment = (index: number) => ({
    ...process.env,
    DATABASE_URL: database.href,
    REDIS_URL: `redis://127.0.0.1:${redisPort}`,
    MEDIA_URL: `file://${scratch}`,
    HTTP_ADDR: `127.0.0.1:${ports[index]}`,
    PUBLIC_URL: urls[index],
    ...ownSettings,
  })

  async function startRedis(): Promise<void> {
    redis = spawn('redis-server', ['--port', String(redisPort), '--bind', '127.0.0.1', '--save', ''], {
      cwd: scratch,
      stdio: 'ignore',
    })
    await until(() => redisAnswers(redisPort))
  }

  async function startServer(index: number): Promise<void> {
    children[index] = spawn(program, ['serve'], { cwd: ROOT, env: environment(index), stdio: 'ignore' })
    await until(() =>
      fetch(`${urls[index]}/health/ready`).then(
        ({ ok }) => ok,
        () => false,
      ),
    )
  }

  const stopServer = (index: number) => stopped(children[index]!)
  const stopRedis = () => stopped(redis)

  await startRedis()
  for (let index = 0; index < count; index += 1) await startServer(index)
  execFileSync(program, ['create-admin', '--email', ADMIN.email, '--name', ADMIN.name], {
    env: { ...environment(0), SNACK_ADMIN_PASSWORD: ADMIN.password },
    stdio: 'ignore',
  })

  async function end(): Promise<void> {
    await Promise.all(children.map(stopped))
    await stopRedis()
    rmSync(scratch, { recursive: true, force: true })
  }

  return { urls, stopServer, startServer, stopRedis, startRedis, end }
}

function redisAnswers(port: number): boolean {
  try {
    return execFileSync('redis-cli', ['-p', String(port), 'ping'], { stdio: ['ignore', 'pipe', 'ignore'] })
      .toString()
      .startsWith('PONG')
  } catch {
    return false
  }
}
