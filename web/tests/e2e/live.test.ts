// Pages show what others do, without a reload.
import type { BrowserContext, BrowserContextOptions, Locator, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { audit } from './checks'
import {
  BASE_URL,
  PHONE,
  admin,
  appUrl,
  card,
  expectText,
  moveOrder,
  newAdmin,
  newMember,
  newOrder,
  newSnack,
  orderCard,
  react,
  request,
  settled,
  signIn,
  toast,
  unique,
  useBrowser,
  type Order,
  type Person,
  type Snack,
} from './harness'
import { ADMIN, hasPrograms, startServers, type Servers } from './servers'

const { newContext, open } = useBrowser()

/** A change has to be seen within this time, in milliseconds. The limit is generous, because the machine may be busy. */
const AT_ONCE = 1500
/** The time between two reads of a page without a stream, in milliseconds, and some more. */
const POLL = 20_000

const like = (page: Page, snack: Snack) => card(page, snack).getByRole('button', { name: '좋아요' })
const pill = (page: Page) => page.locator('.news button')
const notice = (page: Page) => page.getByText('실시간 연결이 끊겼습니다. 15초마다 새로 고칩니다.')

/** A page that has its stream. It has read again what it may have missed before: without chance that happens at once. */
async function openLive(person: Person, path: string, { server = BASE_URL, ...options }: Options = {}): Promise<Page> {
  const context = await newContext(options)
  await context.addInitScript(() => (Math.random = () => 0))
  const page = await context.newPage()
  await signIn(page, person, '/orders', server)
  const stream = page.waitForResponse('**/events')
  await page.goto(appUrl(path, server))
  await stream
  await settled(page)
  return page
}

type Options = BrowserContextOptions & { server?: string }
const searchFor = (snack: Snack) => `/snacks?search=${encodeURIComponent(snack.name)}`

/** Does something and measures the time until `isShown`. */
async function measure(name: string, act: () => Promise<unknown>, isShown: () => Promise<boolean>): Promise<void> {
  await act()
  const start = performance.now()
  await expect.poll(isShown, { timeout: AT_ONCE, interval: 10 }).toBe(true)
  console.info(`${name} was seen after ${Math.round(performance.now() - start)} ms`)
}

const hasText = (locator: Locator, text: string) => async () => (await locator.allInnerTexts()).join().includes(text)

/** The requests of a context for the stream, and how many of them are open. */
function countStreams(context: BrowserContext) {
  const counts = { all: 0, open: 0 }
  const isStream = (url: string) => new URL(url).pathname === '/events'
  context.on('request', (sent) => {
    if (isStream(sent.url())) {
      counts.all += 1
      counts.open += 1
    }
  })
  const end = (sent: { url(): string }) => {
    if (isStream(sent.url())) counts.open -= 1
  }
  context.on('requestfinished', end)
  context.on('requestfailed', end)
  return counts
}

describe('another user sees', () => {
  it('a like, on the list and on the page of the snack', async () => {
    const snack = await newSnack()
    const [one, other] = [await newMember(), await newMember()]
    const [here, there] = [await openLive(one, searchFor(snack)), await openLive(other, searchFor(snack))]
    const detail = await openLive(other, `/snacks/${snack.uid}`)
    await measure('a like', () => like(here, snack).click(), hasText(like(there, snack), '1'))
    await expectText(detail.getByRole('button', { name: '좋아요' }), '1')
    // It is not their own.
    expect(await like(there, snack).getAttribute('aria-pressed')).toBe('false')
    expect(await like(here, snack).getAttribute('aria-pressed')).toBe('true')
  })

  it('a new order, when they ask for it', async () => {
    const [owner, other] = [await newMember(), await newMember()]
    const page = await openLive(other, '/orders')
    const snack = await newSnack()
    let order!: Order
    const create = async () => (order = await newOrder(owner, [snack]))
    await measure('a new order', create, hasText(pill(page), '새 주문 1건'))
    expect(await orderCard(page, order).count()).toBe(0)
    await pill(page).click()
    await orderCard(page, order).waitFor()
    expect(await pill(page).count()).toBe(0)
    expect(await page.evaluate(() => document.activeElement?.className)).toBe('paged')
  })

  it('a new status, in the list and on the page of the order', async () => {
    const [owner, other] = [await newMember(), await newMember()]
    const order = await newOrder(owner)
    const [list, detail] = [await openLive(other, '/orders'), await openLive(owner, `/orders/${order.uid}`)]
    const badge = orderCard(list, order).locator('header .badge')
    await measure('a new status', () => moveOrder(order, 'approved'), hasText(badge, '승인 완료'))
    await expectText(detail.locator('.page'), /승인 완료[\s\S]*승인 완료/)
  })
})
