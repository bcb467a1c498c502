// Pages show what others do, without a reload.
import type { BrowserContextOptions, Locator, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { audit } from './checks'
import {
  BASE_URL,
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
  unique,
  useBrowser,
  type Order,
  type Person,
  type Snack,
} from './harness'
import { ADMIN, hasPrograms, startServers, type Servers } from './servers'

const { newContext } = useBrowser()

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

/** The number of streams that the server has open. */
async function openStreams(): Promise<number> {
  const metrics = await (await fetch(`${BASE_URL}/metrics`)).text()
  return Number(/^live_streams(?:\{.*\})? (\d+)/m.exec(metrics)?.[1] ?? 0)
}

describe('the tabs of a browser', () => {
  it('share one stream, which another tab takes over, until the user signs out', async () => {
    const [member, other] = [await newMember(), await newMember()]
    const context = await newContext()
    const requests: string[] = []
    context.on('request', (sent) => {
      if (sent.url().endsWith('/events')) requests.push(sent.url())
    })
    await expect.poll(openStreams).toBe(0)
    const first = await context.newPage()
    await signIn(first, member)
    const [second, third] = [await context.newPage(), await context.newPage()]
    for (const page of [second, third]) {
      await page.goto(appUrl('/orders'))
      await settled(page)
    }
    await newOrder(other)
    for (const page of [first, second, third]) await expectText(pill(page), '새 주문 1건')
    expect(requests.length).toBe(1)
    expect(await openStreams()).toBe(1)

    await first.close()
    // At the same moment, when no tab may have a stream.
    await newOrder(other)
    for (const page of [second, third]) await expectText(pill(page), '새 주문 2건')
    await expect.poll(() => requests.length).toBe(2)
    await newOrder(other)
    for (const page of [second, third]) await expectText(pill(page), '새 주문 3건')
    expect(requests.length).toBe(2)
    expect(await openStreams()).toBe(1)

    await third.getByRole('button', { name: '로그아웃' }).click()
    await second.getByRole('heading', { name: '로그인', level: 1 }).waitFor()
    await expect.poll(openStreams).toBe(0)
    expect(requests.length).toBe(2)

    // Another user has another stream.
    await signIn(second, other)
    await expect.poll(openStreams).toBe(1)
    expect(requests.length).toBe(3)
  })

  it('have a stream each without the Web Locks API', async () => {
    const context = await newContext()
    await context.addInitScript(() => Object.defineProperty(navigator, 'locks', { value: undefined }))
    await expect.poll(openStreams).toBe(0)
    const first = await context.newPage()
    await signIn(first, await newMember())
    const second = await context.newPage()
    await second.goto(appUrl('/orders'))
    await settled(second)
    await expect.poll(openStreams).toBe(2)
    await first.close()
    await expect.poll(openStreams).toBe(1)
    await newOrder(await newMember())
    await expectText(pill(second), '새 주문 1건')
  })
})

describe('without a stream', () => {
  it('the page says so and reads again every 15 s, until the stream is back', async () => {
    const [member, other] = [await newMember(), await newMember()]
    const context = await newContext()
    await context.route('**/events', (route) => route.abort())
    const page = await context.newPage()
    await signIn(page, member)
    const heading = await page.locator('h1').boundingBox()
    expect(await notice(page).count()).toBe(0)
    await notice(page).waitFor()
    expect(
      await page
        .getByRole('status')
        .filter({ has: notice(page) })
        .count(),
    ).toBe(1)
    // Nothing has moved, and nothing is covered.
    expect(await page.locator('h1').boundingBox()).toEqual(heading)
    const [shown, bar] = [(await notice(page).boundingBox())!, (await page.locator('header.bar').boundingBox())!]
    expect(shown.y).toBeGreaterThanOrEqual(bar.y + bar.height)
    expect(shown.y + shown.height).toBeLessThanOrEqual(heading!.y)
    expect(await audit(page)).toEqual([])

    await newOrder(other)
    await expect.poll(hasText(pill(page), '새 주문 1건'), { timeout: POLL }).toBe(true)
    await newOrder(other)
    await expect.poll(hasText(pill(page), '새 주문 2건'), { timeout: POLL }).toBe(true)
    expect(await notice(page).count()).toBe(1)

    await context.unroute('**/events')
    await notice(page).waitFor({ state: 'detached', timeout: POLL })
    const create = () => newOrder(other)
    await measure('an order after the stream was back', create, hasText(pill(page), '새 주문 3건'))
  })

  it('a hidden page asks for nothing, and reads again when it is shown', async () => {
    const context = await newContext()
    await context.route('**/events', (route) => route.abort())
    await context.addInitScript(() => {
      const state = { visibility: 'visible' }
      Object.defineProperty(document, 'visibilityState', { get: () => state.visibility })
      Object.assign(window, {
        setVisibility: (visibility: string) => {
          state.visibility = visibility
          document.dispatchEvent(new Event('visibilitychange'))
        },
      })
    })
    const page = await context.newPage()
    await page.clock.install()
    await signIn(page, await newMember())
    const setVisibility = (value: string) =>
      page.evaluate((to) => (window as unknown as { setVisibility: (to: string) => void }).setVisibility(to), value)
    await setVisibility('hidden')
    await page.clock.runFor(10_000)
    const reads: string[] = []
    page.on('request', (sent) => {
      if (new URL(sent.url()).pathname === '/orders') reads.push(sent.url())
    })
    await page.clock.runFor(120_000)
    expect(reads).toEqual([])
    await newOrder(await newMember())
    await setVisibility('visible')
    await expectText(pill(page), '새 주문 1건')
  })
})

/** Collects the names of the events that a page of a user gets. */
async function recordEvents(page: Page, person: Person): Promise<() => Promise<string[]>> {
  await page.evaluate((id) => {
    const events: string[] = []
    const channel = new BroadcastChannel(`snack.live.${id}`)
    channel.onmessage = ({ data }) => {
      if (data.kind === 'event') events.push(`${data.event.event} ${data.event.data.uid}`)
    }
    Object.assign(window, { events })
  }, person.id)
  return () => page.evaluate(() => (window as unknown as { events: string[] }).events)
}

describe('nothing jumps', () => {
  it('and nothing loses the focus when there are new orders', async () => {
    const [member, other] = [await newMember(), await newMember()]
    const fifth = await newOrder(member)
    for (let count = 0; count < 4; count += 1) await newOrder(member)
    const page = await openLive(member, '/orders')
    const link = orderCard(page, fifth).locator('h2 a')
    await link.focus()
    await link.evaluate((element) => element.scrollIntoView({ block: 'center' }))
    const state = () =>
      page.evaluate(() => [
        scrollY,
        document.activeElement!.getAttribute('href'),
        document.activeElement!.getBoundingClientRect().y,
      ])
    const before = await state()
    expect(before[0]).toBeGreaterThan(200)
    await page.evaluate(() => {
      const measured = Object.assign(window, { shift: 0 })
      new PerformanceObserver((list) => {
        for (const entry of list.getEntries() as unknown as { value: number }[]) measured.shift += entry.value
      }).observe({ type: 'layout-shift' })
    })
    await newOrder(other)
    await expectText(pill(page), '새 주문 1건')
    expect(await state()).toEqual(before)
    expect(await page.evaluate(() => (window as unknown as { shift: number }).shift)).toBe(0)
    expect(await audit(page)).toEqual([])
    // The orders are above what is read.
    const read = orderCard(page, fifth)
    const position = (await read.boundingBox())!.y
    await pill(page).click()
    await pill(page).waitFor({ state: 'detached' })
    // Chromium rounds.
    expect(Math.abs((await read.boundingBox())!.y - position)).toBeLessThan(10)
  })

  it('when the reactions would change the order of the snacks', async () => {
    const mark = unique()
    const snacks = await Promise.all(['가', '나', '다'].map((name) => newSnack({ name: `${name} ${mark}` })))
    const people = [await newMember(), await newMember(), await newMember()]
    const page = await openLive(people[0]!, `/snacks?search=${mark}`)
    const names = () => page.locator('li.snack h2').allInnerTexts()
    const before = await names()
    const last = snacks.find(({ name }) => name === before.at(-1))!
    for (const person of people.slice(1)) await react(person, last, 'like')
    await expectText(like(page, last), '2')
    expect(await names()).toEqual(before)
    // A snack that has been ordered stays, with its order.
    await newOrder(people[1]!, [last])
    await expectText(card(page, last), '승인 대기')
    expect(await names()).toEqual(before)
  })

  it('and a like that is under way is not undone by an older event', async () => {
    const snack = await newSnack()
    const [member, other] = [await newMember(), await newMember()]
    const page = await openLive(member, searchFor(snack))
    const events = await recordEvents(page, member)
    let release = () => {}
    const held = new Promise<void>((resolve) => (release = resolve))
    await page.route('**/reaction', async (route) => {
      await held
      await route.continue()
    })
    await like(page, snack).click()
    await react(other, snack, 'hate')
    // It has no like.
    await expect.poll(events).toContain(`snack ${snack.uid}`)
    expect(await like(page, snack).getAttribute('aria-pressed')).toBe('true')
    expect((await like(page, snack).innerText()).trim()).toMatch(/1$/)
    release()
    await expectText(card(page, snack).getByRole('button', { name: '싫어요' }), '1')
    await expectText(like(page, snack), '1')
    expect(await like(page, snack).getAttribute('aria-pressed')).toBe('true')
  })
})

describe('a form', () => {
  it('that edits an order says that the order has changed, and keeps what was typed', async () => {
    const member = await newMember()
    const order = await newOrder(member)
    const page = await openLive(member, `/orders/${order.uid}`)
    await page.getByRole('button', { name: '주문 수정' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('메모').fill('많이 주세요')
    await moveOrder(order, 'approved')
    await expectText(dialog.getByRole('alert'), '그사이에 주문이 바뀌었습니다.')
    expect(await dialog.getByLabel('메모').inputValue()).toBe('많이 주세요')
  })

  it('that cancels an order stays open when the order is closed, with the reason', async () => {
    const boss = await newAdmin()
    const order = await newOrder(await newMember())
    const page = await openLive(boss, '/orders')
    await orderCard(page, order).getByRole('button', { name: '다른 작업' }).click()
    await page.getByRole('menuitem', { name: '주문 취소' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('취소 사유').fill('품절입니다')
    await request('PUT', `/orders/${order.uid}/status`, await admin(), { status: 'canceled', reason: '중복' })
    await expectText(dialog.getByRole('alert'), '그사이에 주문이 바뀌었습니다.')
    expect(await dialog.getByLabel('취소 사유').inputValue()).toBe('품절입니다')
  })
})

describe('on the desk', () => {
  it('an order that another admin moves on stays, the counts change, and new orders are offered', async () => {
    const order = await newOrder(await newMember())
    const page = await openLive(await newAdmin(), '/desk')
    const count = async (stage: string) =>
      Number.parseInt(
        await page
          .getByRole('button', { name: new RegExp(`^${stage}`) })
          .locator('.count')
          .innerText(),
      )
    const [created, approved] = [await count('승인 대기'), await count('승인 완료')]
    await moveOrder(order, 'approved')
    await expectText(orderCard(page, order).locator('header .badge'), '승인 완료')
    await expect.poll(() => count('승인 대기')).toBe(created - 1)
    await expect.poll(() => count('승인 완료')).toBe(approved + 1)

    const next = await newOrder(await newMember())
    await expectText(pill(page), '새 주문 1건')
    expect(await orderCard(page, next).count()).toBe(0)
    expect(await count('승인 대기')).toBe(created)
    await pill(page).click()
    await orderCard(page, next).waitFor()
    expect(await orderCard(page, order).count()).toBe(1)
  })

  it('the buying list and the budgets follow', async () => {
    const boss = await newAdmin()
    const [list, budgets] = [await openLive(boss, '/buying-list'), await openLive(boss, '/budgets')]
    const snack = await newSnack({ price: '770' })
    const before = await budgets.locator('.budgets').innerText()
    const order = await newOrder(await newMember(), [snack])
    await expect.poll(() => budgets.locator('.budgets').innerText()).not.toBe(before)
    await moveOrder(order, 'approved')
    await expectText(pill(list), '새 주문 1건')
    await pill(list).click()
    await list.getByText(snack.name).first().waitFor()
    await moveOrder(order, 'ordered')
    await expectText(pill(list), '바뀐 목록 보기')
  })

  it('the bell counts', async () => {
    const member = await newMember()
    const order = await newOrder(member)
    const page = await openLive(member, '/snacks')
    await moveOrder(order, 'approved')
    await expectText(page.locator('.bell'), '1')
  })
})

describe.skipIf(!hasPrograms)('through two servers', () => {
  let servers: Servers
  let boss: string
  beforeAll(async () => {
    servers = await startServers(2)
    boss = (await at(0, 'POST', '/auth/token', undefined, { username: ADMIN.email, password: ADMIN.password })).access
  }, 120_000)
  afterAll(() => servers.end())

  const at = (server: number, method: string, path: string, token?: string, body?: unknown) =>
    // eslint-disable-next-line @typescript-eslint/no-explicit-any
    request<any>(method, servers.urls[server] + path, token, body)

  async function member(): Promise<Person> {
    const person = { email: `${unique()}@example.com`, password: `pass-${unique()}-word`, name: `회원 ${unique()}` }
    const { id } = await at(0, 'POST', '/auth/sign-up', undefined, person)
    const { access } = await at(0, 'POST', '/auth/token', undefined, {
      username: person.email,
      password: person.password,
    })
    return { ...person, id, token: access }
  }

  it('a like, an order and a status are seen within a second, also after Redis was restarted', async () => {
    const [one, other] = [await member(), await member()]
    const snacks: Snack[] = []
    for (let count = 0; count < 4; count += 1) {
      snacks.push(await at(0, 'POST', '/snacks', boss, { name: `간식 ${unique()}`, price: '1500' }))
    }
    const here = await openLive(one, '/snacks', { server: servers.urls[0] })
    const there = await openLive(other, '/snacks', { server: servers.urls[1] })
    const list = await openLive(other, '/orders', { server: servers.urls[1] })

    async function check(when: string, [liked, ordered]: Snack[]): Promise<void> {
      await measure(`${when}, a like`, () => like(here, liked!).click(), hasText(like(there, liked!), '1'))
      const lines = { snacks: [{ uid: ordered!.uid, quantity: 1 }] }
      let order!: Order
      const create = async () => (order = await at(0, 'POST', '/orders', one.token, lines))
      await measure(`${when}, an order`, create, hasText(pill(list), '새 주문 1건'))
      await pill(list).click()
      await orderCard(list, order).waitFor()
      const approve = () => at(0, 'PUT', `/orders/${order.uid}/status`, boss, { status: 'approved' })
      const badge = orderCard(list, order).locator('header .badge')
      await measure(`${when}, a status`, approve, hasText(badge, '승인 완료'))
    }

    await check('through two servers', snacks.slice(0, 2))
    await servers.stopRedis()
    // Not seen there at once.
    const missed = await at(0, 'POST', '/snacks', boss, { name: `간식 ${unique()}`, price: '900' })
    const order: Order = await at(0, 'POST', '/orders', one.token, { snacks: [{ uid: missed.uid, quantity: 1 }] })
    await servers.startRedis()
    // The servers tell that something may have been missed.
    await expect.poll(hasText(pill(list), '새 주문 1건'), { timeout: 30_000 }).toBe(true)
    await pill(list).click()
    await orderCard(list, order).waitFor()
    await check('after a restart of Redis', snacks.slice(2))
  }, 120_000)

  it('a page whose server has stopped reads again when the server is back', async () => {
    const [one, other] = [await member(), await member()]
    const page = await openLive(other, '/orders', { server: servers.urls[1] })
    const snack = await at(0, 'POST', '/snacks', boss, { name: `간식 ${unique()}`, price: '1500' })
    await servers.stopServer(1)
    await notice(page).waitFor()
    await at(0, 'POST', '/orders', one.token, { snacks: [{ uid: snack.uid, quantity: 1 }] })
    await servers.startServer(1)
    await notice(page).waitFor({ state: 'detached', timeout: POLL })
    await expectText(pill(page), '새 주문 1건')
  }, 120_000)
})
