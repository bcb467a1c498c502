// A real identity provider, tests/support/oidc, and its accounts.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { BrowserContext } from 'playwright-core'
import { expect } from 'vitest'

import { unique } from './harness'

const SUPPORT = fileURLToPath(new URL('../../../tests/support/oidc/server.mjs', import.meta.url))

export interface Provider {
  issuer: string
  /** The settings of a server that uses it. */
  settings: Record<string, string>
  process: ChildProcess
}

export async function startProvider(redirectUri: string): Promise<Provider> {
  const child = spawn('node', [SUPPORT, redirectUri], { stdio: ['ignore', 'pipe', 'inherit'] })
  const end = once(child, 'exit').then(() => Promise.reject(new Error('the provider has ended')))
  const [port] = await Promise.race([once(createInterface(child.stdout!), 'line'), end])
  // It ends with the tests.
  end.catch(() => undefined)
  const issuer = `http://127.0.0.1:${port}`
  const settings = {
    OIDC_ISSUER: issuer,
    OIDC_CLIENT_ID: 'snack',
    OIDC_CLIENT_SECRET: 'a client secret of the tests',
    OIDC_NAME: 'Keycloak',
  }
  return { issuer, settings, process: child }
}

export interface Account {
  email: string
  name: string
}

/** An account of the provider with an email of its own. */
export async function newAccount(provider: Provider, { isVerified = true } = {}): Promise<Account> {
  const account = { email: `${unique()}@office.example`, name: `사원 ${unique()}` }
  const response = await fetch(`${provider.issuer}/control/accounts/${encodeURIComponent(account.email)}`, {
    method: 'PUT',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ ...account, email_verified: isVerified }),
  })
  expect(response.ok).toBe(true)
  return account
}

/** Lets a user with this account sit at the provider: it takes the hint as the answer. */
export async function answerAs(context: BrowserContext, account: string): Promise<void> {
  await context.unroute('**/auth/oidc/login')
  await context.route('**/auth/oidc/login', async (route) => {
    const response = await route.fetch({ maxRedirects: 0 })
    const location = new URL(response.headers()['location']!)
    location.searchParams.set('login_hint', account)
    await route.fulfill({ response, headers: { ...response.headers(), location: location.href } })
  })
}
