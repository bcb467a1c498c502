import type { Locator, Page } from 'playwright-core'
import { describe, expect, it } from 'vitest'

import {
  PHONE,
  appUrl,
  card,
  expectText,
  newMember,
  newSnack,
  settled,
  signIn,
  toast,
  unique,
  useBrowser,
  type Person,
  type Snack,
} from './harness'

const { newContext, open } = useBrowser()

const bar = (page: Page) => page.getByRole('region', { name: '주문할 간식' })
const add = (page: Page, snack: Snack) => card(page, snack).getByRole('button', { name: `${snack.name} 담기` })
const quantity = (within: Page | Locator, snack: Snack) =>
  within.getByRole('spinbutton', { name: `${snack.name} 수량` })
const isFocused = (locator: Locator) => locator.evaluate((element) => element === document.activeElement)

async function expectFocus(locator: Locator): Promise<void> {
  await expect.poll(() => isFocused(locator), { timeout: 10_000 }).toBe(true)
}

async function newSnacks(count: number): Promise<{ mark: string; snacks: Snack[] }> {
  const mark = unique()
  const names = Array.from({ length: count }, (_, index) => `${mark} 과자 ${String(index + 1).padStart(3, '0')}`)
  return { mark, snacks: await Promise.all(names.map((name) => newSnack({ name }))) }
}

/** The list with the snacks of `mark`, by name. */
const at = (mark: string) => `/snacks?search=${mark}&ordering=name`

async function signOut(page: Page): Promise<void> {
  await page.getByRole('button', { name: '로그아웃' }).click()
  await page.getByRole('heading', { name: '로그인', level: 1 }).waitFor()
}

describe('the cart', () => {
  it('is one for all tabs', async () => {
    const { mark, snacks } = await newSnacks(2)
    const [first, second] = [snacks[0]!, snacks[1]!]
    const context = await newContext()
    const [here, there] = [await context.newPage(), await context.newPage()]
    await signIn(here, await newMember(), at(mark))
    await there.goto(appUrl(at(mark)))
    await settled(there)

    await add(here, first).click()
    await expectText(bar(there), /1가지, 1개/)
    await card(there, first).getByRole('button', { name: '수량 늘리기' }).click()
    await add(there, second).click()
    await expectText(bar(here), /2가지, 3개/)
    await expect.poll(() => quantity(here, first).inputValue()).toBe('2')

    // An order in one tab empties it in the other one, whose dialog closes.
    await bar(here).getByRole('button', { name: '주문하기' }).click()
    await here.getByRole('dialog').waitFor()
    await bar(there).getByRole('button', { name: '주문하기' }).click()
    await there.getByRole('dialog').getByRole('button', { name: '주문하기' }).click()
    await there.waitForURL(/\/orders\/[0-9a-f-]{36}$/)
    await here.getByRole('dialog').waitFor({ state: 'detached' })
    await bar(here).waitFor({ state: 'detached' })
  })

  it('is kept for its member through a sign-out, and not shown to another one', async () => {
    const { mark, snacks } = await newSnacks(1)
    const [owner, other] = [await newMember(), await newMember()]
    const page = await open(owner, at(mark))
    await add(page, snacks[0]!).click()
    await bar(page).waitFor()
    await signOut(page)

    await signIn(page, other, at(mark))
    await add(page, snacks[0]!).waitFor()
    expect(await bar(page).count()).toBe(0)
    await signOut(page)

    await signIn(page, owner, at(mark))
    await expectText(bar(page), /1가지, 1개/)
  })

  it('loses a line by − at 1, and the line can be put back', async () => {
    const { mark, snacks } = await newSnacks(2)
    const [stays, goes] = [snacks[0]!, snacks[1]!]
    const page = await open(await newMember(), at(mark))
    await add(page, stays).click()
    await add(page, goes).click()
    await card(page, goes).getByRole('button', { name: '수량 늘리기' }).click()
    await card(page, goes).getByRole('button', { name: '수량 줄이기' }).click()
    await card(page, goes)
      .getByRole('button', { name: `${goes.name} 빼기` })
      .click()
    await expectFocus(add(page, goes))
    await expectText(bar(page), /1가지, 1개/)
    await toast(page, `“${goes.name}” 간식을 뺐습니다.`).getByRole('button', { name: '되돌리기' }).click()
    await expectText(bar(page), /2가지, 2개/)
  })

  it('can be restored after it was cleared', async () => {
    const { mark, snacks } = await newSnacks(2)
    const page = await open(await newMember(), at(mark))
    for (const snack of snacks) await add(page, snack).click()
    await card(page, snacks[0]!).getByRole('button', { name: '수량 늘리기' }).click()
    await bar(page).getByRole('button', { name: '비우기' }).click()
    await bar(page).waitFor({ state: 'detached' })
    await toast(page, '장바구니를 비웠습니다.').getByRole('button', { name: '되돌리기' }).click()
    await expectText(bar(page), /2가지, 3개/)
    await expect.poll(() => quantity(page, snacks[0]!).inputValue()).toBe('2')

    // By keyboard the focus moves to the message and back.
    await bar(page).getByRole('button', { name: '비우기' }).press('Enter')
    await expectFocus(toast(page, '장바구니를 비웠습니다.').getByRole('button', { name: '되돌리기' }))
    await page.keyboard.press('Enter')
    await expectFocus(bar(page).getByRole('button', { name: '주문하기' }))
    await expectText(bar(page), /2가지, 3개/)
  })
})

describe('adding a snack', () => {
  it('focuses the quantity, ready to be overwritten', async () => {
    const { mark, snacks } = await newSnacks(1)
    const page = await open(await newMember(), at(mark), { viewport: { width: 1280, height: 400 } })
    await add(page, snacks[0]!).click()
    await expectFocus(quantity(page, snacks[0]!))
    await page.keyboard.type('12')
    await page.keyboard.press('Tab')
    await expectText(bar(page), /1가지, 12개/)
    // The wheel scrolls the page although the field is focused.
    await page.keyboard.press('Shift+Tab')
    await quantity(page, snacks[0]!).hover()
    await page.mouse.wheel(0, 50)
    await expect.poll(() => page.evaluate(() => scrollY)).toBeGreaterThan(0)
    await page.keyboard.press('ArrowUp')
    await expectText(bar(page), /1가지, 13개/)
  })

  it('by a finger opens no keyboard', async () => {
    const { mark, snacks } = await newSnacks(1)
    const page = await open(await newMember(), at(mark), PHONE)
    await add(page, snacks[0]!).tap()
    await expectFocus(card(page, snacks[0]!).getByRole('button', { name: '수량 늘리기' }))
  })

  it('leads to the order by few keys', async () => {
    const page = await open(await newMember(), '/snacks')
    await page
      .locator('li.snack')
      .getByRole('button', { name: / 담기$/ })
      .first()
      .focus()
    await page.keyboard.press('Enter')
    await expectFocus(page.locator('li.snack').getByRole('spinbutton'))
    await page.keyboard.press('Tab')
    await expectFocus(page.locator('li.snack').getByRole('button', { name: '장바구니로 이동' }))
    await page.keyboard.press('Enter')
    await expectFocus(bar(page).getByRole('button', { name: '주문하기' }))
    await page.keyboard.press('Enter')
    await page.getByRole('dialog').waitFor()
  })

  it('adds a skip link to the top of the page', async () => {
    const { mark, snacks } = await newSnacks(1)
    const page = await open(await newMember(), at(mark))
    await add(page, snacks[0]!).click()
    await page.reload()
    await settled(page)
    await bar(page).waitFor()
    await page.keyboard.press('Tab')
    await page.keyboard.press('Tab')
    await expectFocus(page.getByRole('link', { name: '장바구니로 이동' }))
    await page.keyboard.press('Enter')
    await expectFocus(bar(page).getByRole('button', { name: '주문하기' }))
  })
})

describe('the dialog of the cart', () => {
  it.each([
    ['desktop', {}],
    ['phone', PHONE],
  ])('shows the total and the button with 100 lines, on a %s', async (_device, options) => {
    const { mark, snacks } = await newSnacks(100)
    const member = await newMember()
    const page = await open(member, at(mark), options)
    await fillCart(page, member, snacks)
    await bar(page).getByRole('button', { name: '주문하기' }).click()
    const dialog = page.getByRole('dialog')
    await expect.poll(() => dialog.locator('li.line').count()).toBe(100)
    const isInView = (locator: Locator) =>
      locator.evaluate((element) => {
        const { top, bottom, left, right } = element.getBoundingClientRect()
        const shown = document.elementFromPoint((left + right) / 2, (top + bottom) / 2)
        return top >= 0 && bottom <= innerHeight && element.contains(shown)
      })
    const total = dialog.locator('.totals')
    const submit = dialog.getByRole('button', { name: '주문하기' })
    await expectText(total, /₩150,000/)
    for (const position of [0, 50, 99]) {
      await dialog.locator('li.line').nth(position).scrollIntoViewIfNeeded()
      expect([position, await isInView(total), await isInView(submit)]).toEqual([position, true, true])
    }
  })

  it('fits on the smallest phone with large text, as does the bar', async () => {
    const { mark, snacks } = await newSnacks(3)
    const member = await newMember()
    const page = await open(member, at(mark), { ...PHONE, viewport: { width: 320, height: 640 } })
    const browser = await page.context().newCDPSession(page)
    await browser.send('Page.setFontSizes', { fontSizes: { standard: 32, fixed: 26 } })
    await fillCart(page, member, snacks)
    const overflows = () =>
      page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth)
    const isInside = async (outer: Locator, inner: Locator) => {
      const [box, part] = [(await outer.boundingBox())!, (await inner.boundingBox())!]
      return part.x >= box.x && part.x + part.width <= box.x + box.width && part.y + part.height <= box.y + box.height
    }
    const order = bar(page).getByRole('button', { name: '주문하기' })
    await order.waitFor()
    expect(await overflows()).toBe(false)
    expect(await isInside(bar(page), order)).toBe(true)
    expect(await isInside(card(page, snacks[0]!), card(page, snacks[0]!).locator('.quantity'))).toBe(true)
    await order.tap()
    const dialog = page.getByRole('dialog')
    await expectText(dialog.locator('.totals'), /₩4,500/)
    expect(await overflows()).toBe(false)
    expect(await dialog.locator('.dialog-body').evaluate((body) => body.scrollWidth <= body.clientWidth)).toBe(true)
    expect(await isInside(dialog, dialog.getByRole('button', { name: '주문하기' }))).toBe(true)
  })

  it('puts a removed line back in its place', async () => {
    const { mark, snacks } = await newSnacks(3)
    const page = await open(await newMember(), at(mark))
    for (const snack of snacks) await add(page, snack).click()
    await bar(page).getByRole('button', { name: '주문하기' }).click()
    const dialog = page.getByRole('dialog')
    const [first, second, third] = snacks.map(({ name }) => name)
    await dialog
      .getByRole('button', { name: `${second} 빼기` })
      .first()
      .press('Enter')
    const undo = dialog.getByRole('button', { name: '되돌리기' })
    await expectFocus(undo)
    await expect.poll(() => dialog.locator('.snack-name').allInnerTexts()).toEqual([first, third])
    await expectText(dialog.locator('.totals'), /₩3,000/)
    await page.keyboard.press('Enter')
    await expectFocus(quantity(dialog, snacks[1]!))
    await expect.poll(() => dialog.locator('.snack-name').allInnerTexts()).toEqual([first, second, third])
  })

  it('closes with the last line, which can be put back', async () => {
    const { mark, snacks } = await newSnacks(1)
    const page = await open(await newMember(), at(mark))
    await add(page, snacks[0]!).click()
    await bar(page).getByRole('button', { name: '주문하기' }).click()
    const dialog = page.getByRole('dialog')
    await dialog
      .locator('.quantity')
      .getByRole('button', { name: `${snacks[0]!.name} 빼기` })
      .click()
    await dialog.waitFor({ state: 'detached' })
    await bar(page).waitFor({ state: 'detached' })
    await toast(page, '간식을 뺐습니다.').getByRole('button', { name: '되돌리기' }).click()
    await expectText(bar(page), /1가지, 1개/)
  })
})

/** Puts snacks into the cart of `member` as another tab would. */
async function fillCart(page: Page, member: Person, snacks: Snack[]): Promise<void> {
  const lines = snacks.map(({ uid, name, thumbnail, currency, price }) => ({
    uid,
    name,
    thumbnail,
    currency,
    price,
    quantity: 1,
  }))
  await page.evaluate(
    ([key, contents]) => localStorage.setItem(key!, contents!),
    [`snack.cart.${member.id}`, JSON.stringify({ lines, note: '' })],
  )
  await page.reload()
  await settled(page)
}
