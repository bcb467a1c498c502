// The server behind a real proxy that serves it below /snack/ and strips that path.
import { readFileSync } from 'node:fs'
import type { BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import {
  PHONE,
  PNG,
  appUrl,
  card,
  expectText,
  networkIdle,
  settled,
  signIn,
  unique,
  useBrowser,
  type Snack,
} from './harness'
import { answerAs, newAccount, startProvider, type Provider } from './provider'
import { startProxy, type Proxy } from './proxy'
import { ADMIN, hasPrograms, startServers, type Servers } from './servers'

const { newContext } = useBrowser()

let proxy: Proxy
let provider: Provider
let servers: Servers
/** The address of the server behind the proxy. */
let url: string

beforeAll(async () => {
  if (!hasPrograms) return
  servers = await startServers(1, async ([base]) => {
    proxy = await startProxy(base!)
    url = `${proxy.origin}/snack`
    provider = await startProvider(`${url}/auth/oidc/callback`)
    return { PUBLIC_URL: url, ...provider.settings }
  })
})
afterAll(async () => {
  await servers?.end()
  proxy?.end()
  provider?.process.kill()
})

/** Collects the requests of a context that leave the path, and the responses with an error. */
function watchRequests(context: BrowserContext, allowed = `${url}/`): string[] {
  const wrong: string[] = []
  context.on('request', (request) => {
    if (!request.url().startsWith(allowed) && !/^(blob|data):/.test(request.url())) wrong.push(request.url())
  })
  context.on('response', (response) => {
    if (response.status() >= 400) wrong.push(`${response.status()} ${response.url()}`)
  })
  return wrong
}

async function call<Body>(method: string, path: string, body: unknown, token?: string): Promise<Body> {
  const headers = { 'Content-Type': 'application/json', ...(token ? { Authorization: `Bearer ${token}` } : {}) }
  const response = await fetch(`${url}${path}`, { method, headers, body: JSON.stringify(body) })
  expect(response.ok).toBe(true)
  return (await response.json()) as Body
}

const adminToken = async () => (await call<{ access: string }>('POST', '/auth/token', ADMIN)).access

/** A snack with a picture. */
async function newSnack(token: string): Promise<Snack> {
  const form = new FormData()
  form.set('name', `snack-${unique()}`)
  form.set('price', '1500')
  form.set('image', new Blob([new Uint8Array(PNG)], { type: 'image/png' }), 'snack.png')
  const headers = { Authorization: `Bearer ${token}` }
  const response = await fetch(`${url}/snacks`, { method: 'POST', headers, body: form })
  expect(response.status).toBe(201)
  const snack = (await response.json()) as Snack
  // The location is one of the proxy's.
  const location = new URL(response.headers.get('location')!, response.url)
  expect(location.href).toBe(`${url}/snacks/${snack.uid}`)
  expect((await fetch(location, { headers })).status).toBe(200)
  return snack
}

async function newMember(): Promise<{ email: string; password: string }> {
  const member = { email: `${unique()}@example.com`, password: `pass-${unique()}-word`, name: `회원 ${unique()}` }
  await call('POST', '/auth/sign-up', member)
  return member
}

/** Waits until the first picture of `page` is shown. */
async function expectPicture(page: Page, path: string): Promise<void> {
  const picture = page.locator(`img[src="/snack${path}"]`)
  await expect.poll(() => picture.evaluate((image: HTMLImageElement) => image.naturalWidth)).toBeGreaterThan(0)
}

describe.runIf(hasPrograms)('below a path', () => {
  it('snacks are liked and ordered, and pages are loaded again and follow what others do', async () => {
    const token = await adminToken()
    const snack = await newSnack(token)
    const context = await newContext()
    const wrong = watchRequests(context)
    const page = await context.newPage()
    // The root leads to the app, which leads to the sign-in.
    await page.goto(`${url}/`)
    await page.waitForURL(appUrl('/sign-in?returnTo=/orders', url))
    await signIn(page, await newMember(), `/snacks?search=${snack.name}`, url)
    await expectPicture(page, snack.thumbnail!)
    const like = card(page, snack).getByRole('button', { name: '좋아요' })
    await like.click()
    await expectText(like, '1')
    await card(page, snack)
      .getByRole('button', { name: `${snack.name} 담기` })
      .click()
    await page.getByRole('region', { name: '주문할 간식' }).getByRole('button', { name: '주문하기' }).click()
    await page.getByRole('dialog').getByRole('button', { name: '주문하기' }).click()
    await page.waitForURL(/\/snack\/app\/orders\/[0-9a-f-]{36}$/)
    await settled(page)

    // A link to a page is a link for everybody.
    const stream = page.waitForResponse(`${url}/events`)
    await page.reload()
    await settled(page)
    expect((await stream).status()).toBe(200)
    await expectPicture(page, snack.thumbnail!)
    await networkIdle(page)
    // The page asks again after 5 s without a stream, so it is the stream that tells this.
    const uid = page.url().split('/').pop()
    await call('PUT', `/orders/${uid}/status`, { status: 'approved' }, token)
    await expect.poll(() => page.locator('.page').innerText(), { timeout: 3000 }).toContain('승인 완료')

    await page.goto(appUrl('/statistics', url))
    await settled(page)
    const button = page.getByRole('button', { name: /CSV/ }).first()
    const [download] = await Promise.all([page.waitForEvent('download'), button.click()])
    expect(readFileSync(await download.path(), 'utf8')).toContain('KRW')

    await page.getByRole('button', { name: '로그아웃' }).click()
    await page.waitForURL(appUrl('/sign-in', url))
    await networkIdle(page)
    expect(wrong).toEqual([])
  })

  it('every page and its script is found, and the app can be installed, on a phone', async () => {
    const snack = await newSnack(await adminToken())
    const context = await newContext(PHONE)
    const wrong = watchRequests(context)
    const page = await context.newPage()
    await signIn(page, ADMIN, '/orders', url)
    const pages = ['snacks', `snacks/${snack.uid}`, 'statistics', 'desk', 'buying-list', 'channels', 'budgets', 'users']
    for (const path of [...pages, 'notifications', 'profile', 'no/such/page']) {
      await page.goto(appUrl(`/${path}`, url))
      await settled(page)
    }
    await networkIdle(page)
    const browser = await context.newCDPSession(page)
    const { url: manifest, errors, data } = await browser.send('Page.getAppManifest')
    expect([manifest, errors]).toEqual([appUrl('/manifest.webmanifest', url), []])
    const { start_url, scope, icons } = JSON.parse(data!) as {
      start_url: string
      scope: string
      icons: { src: string }[]
    }
    expect([start_url, scope].map((path) => new URL(path, manifest).href)).toEqual([`${url}/app/`, `${url}/app/`])
    for (const { src } of icons) expect((await fetch(new URL(src, manifest))).status).toBe(200)
    expect(wrong).toEqual([])
  })

  it('the identity provider leads back to it', async () => {
    const account = await newAccount(provider)
    const context = await newContext()
    const page = await context.newPage()
    await page.goto(appUrl('/snacks', url))
    await page.waitForURL(appUrl('/sign-in?returnTo=/snacks', url))
    await answerAs(context, account.email)
    await page.getByRole('button', { name: 'Keycloak 계정으로 로그인' }).click()
    await page.waitForURL(appUrl('/snacks', url))
    await page.getByRole('banner').getByText(account.name).waitFor()
  })

  it('Swagger UI shows its document and sends requests', async () => {
    const context = await newContext()
    const wrong = watchRequests(context)
    const page = await context.newPage()
    await page.goto(`${url}/docs`)
    const operation = page.locator('#operations-operations-is_live')
    await operation.click()
    await operation.getByRole('button', { name: 'Try it out' }).click()
    const response = page.waitForResponse(`${url}/health/live`)
    await operation.getByRole('button', { name: 'Execute' }).click()
    expect((await response).status()).toBe(200)
    expect(wrong).toEqual([])
  })

  it('the metrics are not for the public', async () => {
    expect((await fetch(`${url}/health/live`)).status).toBe(200)
    for (const path of ['/metrics', '/metrics/']) expect((await fetch(`${url}${path}`)).status).toBe(403)
    expect((await fetch(`${servers.urls[0]}/metrics`)).status).toBe(200)
  })
})
