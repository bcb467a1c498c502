// The browser, the API client and the fixtures of the end-to-end tests.
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  chromium,
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  type Page,
  type Request,
} from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect } from 'vitest'

import type { components } from '../../src/api/schema'
import { today } from '../../src/time'

type Schemas = components['schemas']
export type Order = Schemas['Order']
export type OrderStatus = Schemas['OrderStatus']
export type Snack = Schemas['Snack']

/** The address of the server. */
export const BASE_URL = process.env.SERVER_URL!
export const ADMIN = { email: 'admin@snack.example', password: 'snack-demo-2024!', name: '관리자' }

/** A valid picture. */
export const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEUlEQVR42mP4sEoDK2IYWhIAJ1xwgTCquMAAAAAASUVORK5CYII=',
  'base64',
)

/** A string that no other test uses. */
export function unique(): string {
  return randomBytes(5).toString('hex')
}

// --- The API ----------------------------------------------------------------------------------------------------------

export async function request<Body>(
  method: string,
  path: string,
  token?: string,
  body?: unknown,
  headers = {},
): Promise<Body> {
  const response = await fetch(new URL(path, BASE_URL), {
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
  return (await request<{ access: string }>('POST', '/auth/token', undefined, { email, password })).access
}

let adminToken: string | undefined
/** The demo admin's token. */
export async function admin(): Promise<string> {
  return (adminToken ??= await tokenOf(ADMIN.email, ADMIN.password))
}

export async function newMember(): Promise<Person> {
  const person = { email: `${unique()}@example.com`, password: `pass-${unique()}-word`, name: `회원 ${unique()}` }
  const { id } = await request<{ id: number }>('POST', '/auth/sign-up', undefined, person)
  return { ...person, id, token: await tokenOf(person.email, person.password) }
}

export async function newAdmin(): Promise<Person> {
  const person = await newMember()
  await request('PATCH', `/auth/users/${person.id}`, await admin(), { member_type: 'admin' })
  return person
}

export async function newSnack(fields: Partial<Pick<Snack, 'name' | 'price' | 'currency'>> = {}): Promise<Snack> {
  return request('POST', '/snacks', await admin(), {
    name: `간식 ${unique()}`,
    price: '1500',
    desc: '바삭합니다',
    ...fields,
  })
}

export async function newOrder(person: Person, snacks?: Snack[], quantity = 2): Promise<Order> {
  const ordered = snacks ?? [await newSnack()]
  return request('POST', '/orders', person.token, { snacks: ordered.map(({ uid }) => ({ uid, quantity })) })
}

export async function moveOrder(order: Order, status: OrderStatus): Promise<Order> {
  const estimated_arrival_time = '2030-01-09T03:00:00Z'
  return request('PUT', `/orders/${order.uid}/status`, await admin(), { status, estimated_arrival_time })
}

/** Sets the limit of this month's budget, or takes it away. */
export async function setLimit(currency: string, amount: string | null): Promise<Schemas['Budget']> {
  return request('PUT', `/budgets/${today().slice(0, 7)}`, await admin(), { currency, amount })
}

export async function react(person: Person, snack: Snack, type: 'like' | 'hate'): Promise<void> {
  await request('POST', `/snacks/${snack.uid}/reaction`, person.token, { type })
}

// --- The browser ------------------------------------------------------------------------------------------------------

export const PHONE: BrowserContextOptions = {
  viewport: { width: 390, height: 844 },
  isMobile: true,
  hasTouch: true,
}

function findChromium(): string {
  if (process.env.CHROMIUM) return process.env.CHROMIUM
  const found = execFileSync('sh', [
    '-c',
    'command -v chromium || command -v chromium-browser || command -v google-chrome',
  ])
  return found.toString().trim()
}

/** Console errors for error responses and a missing network, which the tests cause on purpose. */
const EXPECTED =
  /Failed to load resource: (the server responded with a status of [45]\d\d|net::ERR_(INTERNET_DISCONNECTED|FAILED|CONNECTION_REFUSED))/

/** Launches a browser for the tests of a file. After each test its pages are closed. They may not have logged errors. */
export function useBrowser() {
  let browser: Browser
  let contexts: BrowserContext[] = []
  let consoleErrors: string[] = []

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: findChromium(), args: ['--no-sandbox'] })
  })
  afterEach(async () => {
    await Promise.all(contexts.map((context) => context.close()))
    const logged = consoleErrors
    contexts = []
    consoleErrors = []
    expect(logged.filter((message) => !EXPECTED.test(message))).toEqual([])
  })
  afterAll(() => browser.close())

  function watch(page: Page): void {
    trackRequests(page)
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') consoleErrors.push(message.text())
    })
    page.on('pageerror', (error) => consoleErrors.push(error.stack ?? error.message))
  }

  /** A browser context in another time zone than Seoul. */
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

  /** A page at `path` with `person` signed in. */
  async function open(
    person: { email: string; password: string },
    path = '/orders',
    options: BrowserContextOptions = {},
  ): Promise<Page> {
    const page = await (await newContext(options)).newPage()
    await signIn(page, person, path)
    return page
  }

  return { newContext, open, consoleErrors: () => consoleErrors }
}

export function appUrl(path: string, server = BASE_URL): string {
  return `${server}/app${path}`
}

/** Signs in with the form and waits for `path`. */
export async function signIn(
  page: Page,
  person: { email: string; password: string },
  path = '/orders',
  server = BASE_URL,
): Promise<void> {
  await page.goto(appUrl(`/sign-in?returnTo=${encodeURIComponent(path)}`, server))
  await page.locator('input[name=email]').fill(person.email)
  await page.locator('input[name=password]').fill(person.password)
  await page.locator('form button[type=submit]').click()
  await page.waitForURL(appUrl(path, server))
  await settled(page)
}

/** Waits until the page has loaded its data. */
export async function settled(page: Page): Promise<void> {
  await page.locator('h1').waitFor()
  await page.waitForFunction(() => !document.querySelector('[aria-busy=true], .skeleton'))
}

/** Reloads the page without the stream of events, which would show changes of others before the test can press a button. */
export async function withoutStream(page: Page): Promise<void> {
  await page.context().route('**/events', (route) => route.abort())
  await page.reload()
  await settled(page)
}

/** The requests of a page that are under way, and the time of the last change. The stream of events is always under way. */
const traffic = new WeakMap<Page, { requests: Set<Request>; changedAt: number }>()

function trackRequests(page: Page): void {
  const tracked = { requests: new Set<Request>(), changedAt: Date.now() }
  traffic.set(page, tracked)
  const change = (isStart: boolean) => (request: Request) => {
    if (request.url().endsWith('/events')) return
    tracked.changedAt = Date.now()
    if (isStart) tracked.requests.add(request)
    else tracked.requests.delete(request)
  }
  page.on('request', change(true))
  page.on('requestfinished', change(false))
  page.on('requestfailed', change(false))
}

/** Waits until there were no requests for `milliseconds`. */
export async function networkIdle(page: Page, milliseconds = 500): Promise<void> {
  const { requests } = traffic.get(page)!
  const isIdle = () => requests.size === 0 && Date.now() - traffic.get(page)!.changedAt > milliseconds
  await expect.poll(isIdle, { timeout: 15_000 }).toBe(true)
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
  return page.locator('li.order').filter({ has: page.locator(`h2 a[href$="${order.uid}"]`) })
}

/** Waits until the text of a locator matches. A failure shows the text. */
export async function expectText(locator: { innerText(): Promise<string> }, text: string | RegExp): Promise<void> {
  await expect.poll(() => locator.innerText(), { timeout: 10_000 }).toMatch(text)
}
