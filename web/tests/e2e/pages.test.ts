// Checks every page on a phone and on a desktop, in light and dark: console errors, axe, layout shifts and overflow. Takes a
// screenshot of each in tests/e2e/screenshots. With RENEW_SCREENSHOTS set, those in screenshots/ are taken anew.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { BrowserContextOptions, Locator, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { deleteChannels, newChannel, startReceiver, type Receiver } from './channels'
import { audit, overflows } from './checks'
import {
  ADMIN,
  PHONE,
  PNG,
  admin,
  appUrl,
  card,
  expectText,
  newAdmin,
  newMember,
  networkIdle,
  newOrder,
  newSnack,
  request,
  settled,
  signIn,
  unique,
  useBrowser,
  type Order,
  type Snack,
} from './harness'

const { newContext, open, consoleErrors } = useBrowser()

const SCREENSHOTS = fileURLToPath(new URL('screenshots', import.meta.url))
const KEPT = fileURLToPath(new URL('../../screenshots', import.meta.url))

const DESKTOP: BrowserContextOptions = { viewport: { width: 1280, height: 800 } }

/** The pages of an admin, with an order and a snack of the demo data. */
let pages: Record<string, string>
beforeAll(async () => {
  mkdirSync(SCREENSHOTS, { recursive: true })
  const token = await admin()
  const orders = await request<{ results: Order[] }>('GET', '/orders?status=completed', token)
  const order = orders.results.reduce((most, next) => (next.purchases.length > most.purchases.length ? next : most))
  pages = {
    orders: '/orders',
    order: `/orders/${order.uid}`,
    snacks: '/snacks',
    'snacks-all': '/snacks?status=all&ordering=name',
    snack: `/snacks/${order.purchases[0]!.snack.uid}`,
    statistics: '/statistics',
    'statistics-tables': '/statistics?view=tables',
    users: '/users',
    desk: '/desk',
    'desk-approved': '/desk?stage=approved',
    'buying-list': '/buying-list',
    budgets: '/budgets',
    profile: '/profile',
    'not-found': '/no/such/page',
  }
})

/** The pages that the demo data leaves empty. */
let filledPages: Record<string, string> | undefined
let receiver: Receiver | undefined
afterAll(async () => {
  await deleteChannels()
  receiver?.close()
})

/**
 * Orders of members of the demo data, of which the admin is notified, and channels with deliveries. Written after the screenshots
 * of the other pages, which show the demo data only.
 */
async function fillPages(): Promise<Record<string, string>> {
  if (filledPages) return filledPages
  receiver = await startReceiver()
  const token = await admin()
  const events = ['order.created', 'order.approved', 'order.completed', 'order.canceled']
  await newChannel({ kind: 'slack', name: '#간식', url: `${receiver.url}/services`, events })
  const webhook = await newChannel({ kind: 'webhook', name: '재고 시스템', url: `${receiver.url}/stock`, events })

  const { results } = await request<{ results: Snack[] }>('GET', '/snacks?limit=100&orderable=true', token)
  for (const [index, email] of ['member', 'subin.jung', 'emma.wilson'].entries()) {
    const credentials = { email: `${email}@snack.example`, password: ADMIN.password }
    const { access } = await request<{ access: string }>('POST', '/auth/token', undefined, credentials)
    const snacks = results.slice(-3 * index - 3, results.length - 3 * index).map(({ uid }) => ({ uid, quantity: 2 }))
    await request('POST', '/orders', access, { snacks })
  }
  const list = await request<{ results: { id: number }[] }>('GET', '/notifications?limit=100', token)
  expect(list.results.length).toBeGreaterThanOrEqual(3)
  await request('PUT', '/notifications/read', token, { ids: list.results.slice(2).map(({ id }) => id) })

  const delivered = `/channels/${webhook.id}/deliveries?status=delivered`
  await expect.poll(async () => (await request<{ results: unknown[] }>('GET', delivered, token)).results.length).toBe(3)
  receiver.status = 503
  await request('POST', `/channels/${webhook.id}/test`, token)
  receiver.status = 200
  filledPages = {
    notifications: '/notifications',
    channels: '/channels',
    deliveries: `/channels/${webhook.id}/deliveries`,
  }
  return filledPages
}

interface Measured {
  layoutShift: number
}

/** Measures Chromium's Cumulative Layout Shift on every page from now on. */
async function watchLayout(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const measured = window as unknown as Measured
    measured.layoutShift = 0
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries() as unknown as { value: number; hadRecentInput: boolean }[]) {
        if (!entry.hadRecentInput) measured.layoutShift += entry.value
      }
    }).observe({ type: 'layout-shift', buffered: true })
  })
}

async function show(page: Page, path: string): Promise<void> {
  await page.goto(appUrl(path))
  await settled(page)
  // Shorter than elsewhere, because two hundred pages are shown.
  await networkIdle(page, 200)
  await page.waitForFunction(() => [...document.images].every((image) => image.complete || image.loading === 'lazy'))
}

async function screenshot(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: `${SCREENSHOTS}/${name}.png` })
  const kept = `${KEPT}/${name}.webp`
  if (!process.env.RENEW_SCREENSHOTS || !existsSync(kept)) return
  const session = await page.context().newCDPSession(page)
  const { data } = await session.send('Page.captureScreenshot', { format: 'webp', quality: 60 })
  writeFileSync(kept, data, 'base64')
}

const SCHEMES = ['light', 'dark'] as const

/** Takes a screenshot of the page in light and in dark, and checks both. */
async function checkSchemes(page: Page, name: string): Promise<void> {
  for (const colorScheme of SCHEMES) {
    await page.emulateMedia({ colorScheme })
    await screenshot(page, `${name}-${colorScheme}`)
    expect([name, colorScheme, await audit(page)]).toEqual([name, colorScheme, []])
  }
}

/** Shows pages to an admin and takes their screenshots. `watchLayout` has to be called before. */
async function checkPages(page: Page, paths: Record<string, string>, device: string): Promise<void> {
  for (const [index, [name, path]] of Object.entries(paths).entries()) {
    // Every second page is loaded in dark.
    await page.emulateMedia({ colorScheme: SCHEMES[index % 2] })
    await show(page, path)
    expect([name, await page.locator('h1').count()]).toEqual([name, 1])
    expect([name, await overflows(page)]).toEqual([name, false])
    const shift = await page.evaluate(() => (window as unknown as Measured).layoutShift)
    expect([name, shift < 0.1, shift]).toEqual([name, true, shift])
    await checkSchemes(page, `${name}-${device}`)
  }
}

/** Not even errors for error responses. */
function expectNoConsoleErrors(): void {
  expect(consoleErrors()).toEqual([])
}

const DEVICES = [
  ['phone', PHONE],
  ['desktop', DESKTOP],
] as const

describe.each(DEVICES)('on a %s', (device, options) => {
  it('every page passes the checks, light and dark', async () => {
    const guest = await (await newContext(options)).newPage()
    for (const [name, path] of Object.entries({ 'sign-in': '/sign-in', 'sign-up': '/sign-up' })) {
      await show(guest, path)
      await checkSchemes(guest, `${name}-${device}`)
    }

    const page = await open(ADMIN, '/orders', options)
    await watchLayout(page)
    await checkPages(page, pages, device)
    expectNoConsoleErrors()
  }, 240_000)
})

describe.each(DEVICES)('on a %s', (device, options) => {
  it('the notifications and the channels pass the checks, light and dark', async () => {
    const paths = await fillPages()
    const page = await open(ADMIN, '/orders', options)
    await watchLayout(page)
    await checkPages(page, paths, device)
    expectNoConsoleErrors()
  }, 120_000)
})

describe.each(DEVICES)('on a %s', (device, options) => {
  it('every dialog passes the checks', async () => {
    const token = await admin()
    const { results } = await request<{ results: Snack[] }>('GET', '/snacks?limit=100&orderable=true', token)
    const snacks = ['KRW', 'USD'].map((currency) => results.find((snack) => snack.currency === currency)!)
    const page = await open(ADMIN, '/snacks', options)
    const check = async (name: string) => {
      await screenshot(page, `${name}-${device}`)
      expect([name, await audit(page)]).toEqual([name, []])
      expect([name, await overflows(page)]).toEqual([name, false])
    }

    for (const snack of snacks) {
      await page.getByRole('button', { name: `${snack.name} 담기`, exact: true }).click()
    }
    await page.evaluate(() => scrollTo(0, 0))
    await check('cart-bar')
    await page.getByRole('region', { name: '주문할 간식' }).getByRole('button', { name: '주문하기' }).click()
    await page.getByRole('dialog').getByText('합계 (미국 달러)').waitFor()
    await check('cart')
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'detached' })

    const order = await newOrder(await newMember(), snacks)
    await page.getByRole('region', { name: '주문할 간식' }).getByRole('button', { name: '주문하기' }).click()
    await expectText(page.getByRole('dialog').getByRole('alert'), '지금 주문할 수 없는 간식이 있습니다.')
    await check('cart-blocked')
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    await request('PUT', `/orders/${order.uid}/status`, token, { status: 'canceled' })

    await page.getByRole('button', { name: '간식 등록' }).first().click()
    await page
      .getByRole('dialog')
      .locator('input[type=file]')
      .setInputFiles({ name: 'a.png', mimeType: 'image/png', buffer: PNG })
    await page.getByRole('dialog').getByRole('button', { name: '간식 등록' }).click()
    await page.getByRole('dialog').locator('.field-error').first().waitFor()
    await check('snack-form')
    await page.keyboard.press('Escape')

    await page.goto(appUrl('/orders?status=created'))
    await settled(page)
    await page.getByRole('button', { name: '다른 작업' }).first().click()
    await page.getByRole('menu').waitFor()
    await check('status-menu')
    await page.getByRole('menuitem', { name: '주문 취소' }).click()
    await page.getByRole('dialog').waitFor()
    await check('cancel')
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    await page.goto(appUrl('/orders?status=approved'))
    await settled(page)
    await page.getByRole('button', { name: '주문 완료로' }).first().click()
    await page.getByLabel('도착 예정').waitFor()
    await check('arrival')
    await page.goto(appUrl('/budgets'))
    await settled(page)
    await page.getByRole('button', { name: '예산 정하기' }).click()
    await page.getByRole('dialog').waitFor()
    await check('budget')
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'detached' })

    await page.goto(appUrl('/channels'))
    await settled(page)
    await page.getByRole('button', { name: '채널 추가' }).click()
    await page.getByRole('dialog').getByText('Slack 주소 만드는 방법').click()
    await check('channel')
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'detached' })

    if (device === 'phone') {
      await page.getByRole('button', { name: '내 메뉴' }).click()
      await page.getByRole('button', { name: '로그아웃' }).waitFor()
      await check('account-menu')
    }
    await page.getByRole('button', { name: '탈퇴' }).click()
    await page.getByRole('alertdialog').waitFor()
    await check('resign')
    await page.getByRole('button', { name: '돌아가기' }).click()
    await page.getByRole('alertdialog').waitFor({ state: 'detached' })
  }, 120_000)
})

describe('on a small laptop', () => {
  it.each([1024, 1360, 1440])(
    'the menu bar has room for a long name in both languages, %d pixels wide',
    async (width) => {
      const person = await newAdmin()
      await request('PATCH', '/auth/users/profile', person.token, { name: 'Wilhelmina Konstantinopolskaja-Montgomery' })
      const page = await open(person, '/orders', { viewport: { width, height: 700 } })
      // The parts of the bar do not cover each other.
      const gaps = () =>
        page.locator('.brand > span, .pages, .bell, .menu-items').evaluateAll((parts) =>
          parts.slice(1).map((part, index) => {
            const { left } = parts[index]!.getBoundingClientRect()
            return part.getBoundingClientRect().left - left - parts[index]!.scrollWidth >= 0
          }),
        )
      expect(await overflows(page)).toBe(false)
      expect(await gaps()).toEqual([true, true, true])
      await page.getByRole('button', { name: 'English' }).click()
      await page.getByRole('button', { name: 'Sign out' }).waitFor()
      expect(await overflows(page)).toBe(false)
      expect(await gaps()).toEqual([true, true, true])
      const [bar, resign] = [page.locator('.bar-inner'), page.getByRole('button', { name: 'Resign' })]
      const [outer, inner] = [(await bar.boundingBox())!, (await resign.boundingBox())!]
      expect(inner.x + inner.width).toBeLessThanOrEqual(outer.x + outer.width)
    },
  )
})

/** The average number of characters in a line of an element. */
async function lettersPerLine(name: Locator): Promise<number> {
  return name.evaluate((element) => {
    const range = document.createRange()
    range.selectNodeContents(element)
    const lines = new Set([...range.getClientRects()].map(({ top }) => Math.round(top)))
    return element.textContent!.trim().length / lines.size
  })
}

/** The amounts on a page that are broken into two lines. */
const brokenAmounts = (page: Page) =>
  page.evaluate(() => {
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
    const broken: string[] = []
    let seen = 0
    for (let text = texts.nextNode(); text; text = texts.nextNode()) {
      for (const match of text.textContent!.matchAll(/(?:₩|(?:US|JP)?[$¥])[\d,.]+/g)) {
        const range = document.createRange()
        range.setStart(text, match.index)
        range.setEnd(text, match.index + match[0].length)
        seen += 1
        if (new Set([...range.getClientRects()].map(({ top }) => Math.round(top))).size > 1) broken.push(match[0])
      }
    }
    return { broken, seen }
  })

/** Widths of the window, and sizes of the text in each. */
const SMALL = [
  ['ko', 320, [1, 2]],
  ['en', 320, [1, 2]],
  ['ko', 1280, [2]],
  ['en', 1280, [2]],
] as const

describe('on the smallest phone and with large text', () => {
  it.each(SMALL)(
    'no page overflows and no amount is broken: %s, %d pixels wide, text %s times as large',
    async (language, width, sizes) => {
      const device = width < 500 ? PHONE : {}
      const page = await (await newContext({ ...device, viewport: { width, height: 640 } })).newPage()
      const browser = await page.context().newCDPSession(page)
      const enlarge = async (size: number) => {
        // As the user's settings do it.
        await browser.send('Page.setFontSizes', { fontSizes: { standard: 16 * size, fixed: 13 * size } })
        await page.waitForFunction(
          (expected) => getComputedStyle(document.documentElement).fontSize === expected,
          `${16 * size}px`,
        )
      }
      await page.goto(appUrl('/sign-in'))
      await page.evaluate((chosen) => localStorage.setItem('snack.language', chosen), language)
      for (const path of ['/sign-in', '/sign-up']) {
        await enlarge(sizes[0])
        await show(page, path)
        for (const size of sizes) {
          await enlarge(size)
          expect([path, size, await overflows(page)]).toEqual([path, size, false])
        }
      }
      await signIn(page, ADMIN)
      const periods = ['from=2026-01-01&to=2026-02-02', 'year=2026&month=1&week=2', 'year=2026&month=1&day=2']
      const paths = [
        ...Object.values(pages),
        ...Object.values(await fillPages()),
        ...periods.flatMap((query) => [`/orders?${query}`, `/statistics?${query}`]),
      ]
      let amounts = 0
      for (const path of paths) {
        await enlarge(sizes[0])
        await show(page, path)
        for (const size of sizes) {
          await enlarge(size)
          expect([path, size, await overflows(page)]).toEqual([path, size, false])
          const { broken, seen } = await brokenAmounts(page)
          expect([path, size, broken]).toEqual([path, size, []])
          amounts += seen
        }
      }
      expect(amounts).toBeGreaterThan(100)
    },
    120_000,
  )

  it('the resign button is to the right of the sign-out button', async () => {
    const page = await open(ADMIN, '/orders', { ...PHONE, viewport: { width: 320, height: 640 } })
    await page.getByRole('button', { name: '내 메뉴' }).click()
    const signOut = await page.getByRole('button', { name: '로그아웃' }).boundingBox()
    const resign = await page.getByRole('button', { name: '탈퇴' }).boundingBox()
    expect(resign!.x).toBeGreaterThan(signOut!.x)
  })

  it.each([320, 1440])(
    'the longest names and amounts are readable, %d pixels wide',
    async (width) => {
      const boss = await newAdmin()
      const snacks = [
        await newSnack({
          name: `${unique()}Supercalifragilistic`.padEnd(128, 'Supercalifragilistic'),
          price: '999999999999',
        }),
        await newSnack({ name: `${unique()}새우깡`.padEnd(128, '새우깡'), price: '999999999999' }),
      ]
      const order = await newOrder(boss, snacks, 1000)
      const other = await newSnack({ name: `other${unique()}`.padEnd(128, 'x'), price: '999999999999' })
      const page = await open(boss, '/orders', { ...(width < 500 ? PHONE : {}), viewport: { width, height: 800 } })
      const expectLines = async (where: string, name: Locator) => {
        await name.waitFor()
        const letters = await lettersPerLine(name)
        expect([where, letters >= 6, letters]).toEqual([where, true, letters])
        expect([where, await overflows(page)]).toEqual([where, false])
      }

      for (const snack of [...snacks, other]) {
        await show(page, `/snacks?search=${snack.name.slice(0, 12)}&status=all`)
        await expectLines('card', card(page, snack).locator('h2 a'))
        await show(page, `/snacks/${snack.uid}`)
        await expectLines('page', page.locator('h1'))
      }
      await show(page, `/orders?user=${boss.id}`)
      for (const snack of snacks) await expectLines('order', page.locator('.snack-name', { hasText: snack.name }))
      await show(page, `/orders/${order.uid}`)
      for (const snack of snacks) await expectLines('line', page.locator('.snack-name', { hasText: snack.name }))
      await page.getByRole('button', { name: '주문 수정' }).click()
      const dialog = page.getByRole('dialog')
      for (const snack of snacks) await expectLines('edited', dialog.locator('.snack-name', { hasText: snack.name }))
      await dialog.getByLabel('간식 추가').fill(other.name.slice(0, 12))
      const candidate = dialog.locator('.candidate span', { hasText: other.name })
      await expectLines('candidate', candidate)
      const [inner, outer] = [(await candidate.boundingBox())!, (await dialog.boundingBox())!]
      expect(inner.x + inner.width).toBeLessThan(outer.x + outer.width)
      await candidate.click()
      await expectLines('added', dialog.locator('.snack-name', { hasText: other.name }))
      await page.keyboard.press('Escape')
      await show(page, '/statistics?view=tables&ordering=-quantity')
      for (const snack of snacks) await expectLines('table', page.locator('tbody th a', { hasText: snack.name }))
      await request('PUT', `/orders/${order.uid}/status`, await admin(), { status: 'canceled' })
    },
    120_000,
  )
})

/** The keys of all messages. */
function keysOf(messages: object, prefix = ''): string[] {
  return Object.entries(messages).flatMap(([key, value]) =>
    typeof value === 'string' ? `${prefix}${key}` : keysOf(value, `${prefix}${key}.`),
  )
}

describe('the language', () => {
  it('is Korean by default and can be changed to English, for messages of the server too', async () => {
    const member = await newMember()
    const page = await (await newContext({ locale: 'en-US' })).newPage()
    await page.goto(appUrl('/sign-in'))
    await page.getByRole('heading', { name: '로그인' }).waitFor()
    expect(await page.locator('html').getAttribute('lang')).toBe('ko')
    await page.getByRole('button', { name: 'English' }).click()
    await page.getByRole('heading', { name: 'Sign in' }).waitFor()
    expect(await page.locator('html').getAttribute('lang')).toBe('en')
    await page.getByLabel('Email').fill(member.email)
    await page.getByLabel('Password').fill('not the password')
    await page.getByRole('button', { name: 'Sign in' }).click()
    await expectText(page.getByRole('alert'), 'The email or the password is wrong.')
    await page.reload()
    await page.getByRole('heading', { name: 'Sign in' }).waitFor()
    await page.getByRole('button', { name: '한국어' }).click()
    await page.getByRole('heading', { name: '로그인' }).waitFor()
  })

  it('is English on every page after the change', async () => {
    const page = await (await newContext({ locale: 'en-US' })).newPage()
    await page.addInitScript(() => localStorage.setItem('snack.language', 'en'))
    await signIn(page, ADMIN)
    const mine = /[가-힣]/
    const keys = ['en', 'channels.en', 'users.en', 'sessions.en', 'oidc.en', 'joining.en', 'invitations.en'].flatMap(
      (file) => keysOf(JSON.parse(readFileSync(new URL(`../../src/i18n/${file}.json`, import.meta.url), 'utf8'))),
    )
    for (const [name, path] of Object.entries({ ...pages, ...(await fillPages()) })) {
      await show(page, path)
      // Names of snacks and users are not translated.
      const texts = await page.evaluate(() => {
        const own = document.querySelectorAll(
          'h1, h2, dt, label, legend, option, caption, thead th, button, nav a, .badge, [role=tab]',
        )
        return [...own].map((element) => `${element.getAttribute('aria-label') ?? ''} ${element.textContent}`)
      })
      const names = new Set([
        'snack',
        'snacks',
        'snacks-all',
        'users',
        'order',
        'orders',
        'desk',
        'desk-approved',
        'buying-list',
        'channels',
        'deliveries',
      ])
      const left = texts.filter((text) => mine.test(text) && !/한국어|관리자/.test(text) && !names.has(name))
      expect([name, left]).toEqual([name, []])
      // A key without a message is shown itself.
      const words = new Set((await page.locator('body').innerText()).split(/\s+/))
      expect([name, keys.filter((key) => words.has(key))]).toEqual([name, []])
      await screenshot(page, `${name}-desktop-english`)
    }
    expectNoConsoleErrors()
  }, 120_000)
})
