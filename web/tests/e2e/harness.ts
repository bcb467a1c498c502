// What every end-to-end test needs: a browser, the server's API to prepare and to check with, and people to be.
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chromium, type Browser, type BrowserContext, type BrowserContextOptions, type Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect } from 'vitest'

import type { components } from '../../src/api/schema'

type Schemas = components['schemas']
export type Order = Schemas['Order']
export type OrderStatus = Schemas['OrderStatus']
export type Snack = Schemas['Snack']

/** Where the server is: BASE_URL in the environment of the run. */
export const BASE_URL = process.env.SERVER_URL!
export const ADMIN = { email: 'admin@snack.example', password: 'snack-demo-2024!', name: '관리자' }

/** A pixel that is as good a picture as any. */
export const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEUlEQVR42mP4sEoDK2IYWhIAJ1xwgTCquMAAAAAASUVORK5CYII=',
  'base64',
)

/** Something that no other test has. */
export function unique(): string {
  return randomBytes(5).toString('hex')
}

// --- The API ----------------------------------------------------------------------------------------------------------

export async function call<Body>(
  method: string,
  path: string,
  token?: string,
  body?: unknown,
  headers = {},
): Promise<Body> {
  const response = await fetch(BASE_URL + path, {
    method,
    headers: {
      ...(token ? { Authorization: `Bearer ${token}` } : {}),
      ...(body ? { 'Content-Type': 'application/json' } : {}),
      ...headers,
    },
    body: body ? JSON.stringify(body) : undefined,
  })
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`)
  return (response.status === 204 ? undefined : await response.json()) as Body
}

export interface Person {
  id: number
  email: string
  password: string
  name: string
  token: string
}

async function tokenOf(email: string, password: string): Promise<string> {
  return (await call<{ access: string }>('POST', '/auth/token', undefined, { email, password })).access
}

let adminToken: string | undefined
/** The demo admin's token. */
export async function admin(): Promise<string> {
  return (adminToken ??= await tokenOf(ADMIN.email, ADMIN.password))
}

export async function newMember(): Promise<Person> {
  const person = { email: `${unique()}@example.com`, password: `pass-${unique()}-word`, name: `회원 ${unique()}` }
  const { id } = await call<{ id: number }>('POST', '/auth/sign-up', undefined, person)
  return { ...person, id, token: await tokenOf(person.email, person.password) }
}

export async function newAdmin(): Promise<Person> {
  const person = await newMember()
  await call('PATCH', `/auth/users/${person.id}`, await admin(), { member_type: 'admin' })
  return person
}

export async function newSnack(fields: Partial<Pick<Snack, 'name' | 'price' | 'currency'>> = {}): Promise<Snack> {
  return call('POST', '/snacks', await admin(), {
    name: `간식 ${unique()}`,
    price: '1500',
    desc: '바삭합니다',
    ...fields,
  })
}

export async function newOrder(person: Person, snacks?: Snack[], quantity = 2): Promise<Order> {
  const ordered = snacks ?? [await newSnack()]
  return call('POST', '/orders', person.token, { snacks: ordered.map(({ uid }) => ({ uid, quantity })) })
}

export async function moveOrder(order: Order, status: OrderStatus): Promise<Order> {
  const estimated_arrival_time = '2030-01-09T03:00:00Z'
  return call('PUT', `/orders/${order.uid}/status`, await admin(), { status, estimated_arrival_time })
}

export async function react(person: Person, snack: Snack, type: 'like' | 'hate'): Promise<void> {
  await call('POST', `/snacks/${snack.uid}/reaction`, person.token, { type })
}

// --- The browser ------------------------------------------------------------------------------------------------------

function findChromium(): string {
  if (process.env.CHROMIUM) return process.env.CHROMIUM
  const found = execFileSync('sh', [
    '-c',
    'command -v chromium || command -v chromium-browser || command -v google-chrome',
  ])
  return found.toString().trim()
}

/** What the browser complains of when the server refuses or the network is gone, which tests bring about on purpose. */
const EXPECTED =
  /Failed to load resource: (the server responded with a status of [45]\d\d|net::ERR_(INTERNET_DISCONNECTED|FAILED))/

/** Launches a browser for the tests of a file. After each test its pages close, and none of them may have complained. */
export function useBrowser() {
  let browser: Browser
  let contexts: BrowserContext[] = []
  let complaints: string[] = []

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: findChromium(), args: ['--no-sandbox'] })
  })
  afterEach(async () => {
    await Promise.all(contexts.map((context) => context.close()))
    const heard = complaints
    contexts = []
    complaints = []
    expect(heard.filter((complaint) => !EXPECTED.test(complaint))).toEqual([])
  })
  afterAll(() => browser.close())

  function watch(page: Page): void {
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text())
    })
    page.on('pageerror', (error) => complaints.push(error.stack ?? error.message))
  }

  /** A browser of somebody's, far away from Seoul. */
  async function newContext(options: BrowserContextOptions = {}): Promise<BrowserContext> {
    const context = await browser.newContext({
      viewport: { width: 1280, height: 800 },
      locale: 'ko-KR',
      timezoneId: 'America/New_York',
      reducedMotion: 'reduce',
      ...options,
    })
    context.setDefaultTimeout(15_000)
    context.on('page', watch)
    contexts.push(context)
    return context
  }

  /** A page of somebody who is signed in, at `path`. */
  async function open(
    person: { email: string; password: string },
    path = '/orders',
    options: BrowserContextOptions = {},
  ): Promise<Page> {
    const page = await (await newContext(options)).newPage()
    await signIn(page, person, path)
    return page
  }

  return { newContext, open, complaints: () => complaints }
}

export function appUrl(path: string): string {
  return `${BASE_URL}/app${path}`
}

/** Through the form, as people do; ends on `path`. */
export async function signIn(page: Page, person: { email: string; password: string }, path = '/orders'): Promise<void> {
  await page.goto(appUrl(`/sign-in?returnTo=${encodeURIComponent(path)}`))
  await page.locator('input[name=email]').fill(person.email)
  await page.locator('input[name=password]').fill(person.password)
  await page.locator('form button[type=submit]').click()
  await page.waitForURL(appUrl(path))
  await settled(page)
}

/** Waits until the page shows what it came for. */
export async function settled(page: Page): Promise<void> {
  await page.locator('h1').waitFor()
  await page.waitForFunction(() => !document.querySelector('[aria-busy=true], .skeleton'))
}

export function toast(page: Page, text: string | RegExp) {
  return page.locator('.toast').filter({ hasText: text })
}

/** The card of a snack in the list. */
export function card(page: Page, snack: { name: string }) {
  return page.locator('li.snack').filter({ hasText: snack.name })
}

/** The card of an order in the list. */
export function orderCard(page: Page, order: { uid: string }) {
  return page.locator('li.order').filter({ hasText: order.uid.slice(0, 8) })
}

/** Waits for a locator's text to match; the text is in the message of a failure. */
export async function expectText(locator: { innerText(): Promise<string> }, text: string | RegExp): Promise<void> {
  await expect.poll(() => locator.innerText(), { timeout: 10_000 }).toMatch(text)
}
