import type { Page } from 'playwright-core'
import { describe, expect, it } from 'vitest'

import { PHONE, appUrl, card, newMember, newSnack, settled, useBrowser } from './harness'

const { open } = useBrowser()

const dialog = (page: Page) => page.getByRole('dialog')

/** A page whose history is: the orders, then the snacks. */
async function openSnacks(options = {}): Promise<Page> {
  const page = await open(await newMember(), '/orders', options)
  await page.getByRole('link', { name: '간식', exact: true }).click()
  await page.waitForURL(appUrl('/snacks'))
  await settled(page)
  return page
}

async function openForm(page: Page): Promise<void> {
  await page.getByRole('button', { name: '간식 등록' }).first().click()
  await dialog(page).getByLabel('간식 이름').waitFor()
}

/** Goes back and expects the orders: no entry of a dialog is in between. */
async function expectBackToOrders(page: Page): Promise<void> {
  await page.goBack()
  await page.waitForURL(appUrl('/orders'))
  await page.getByRole('heading', { name: '주문', level: 1, exact: true }).waitFor()
}

describe('Back', () => {
  it('closes a dialog, and leaves the page only then', async () => {
    const page = await openSnacks(PHONE)
    await openForm(page)
    await page.goBack()
    await dialog(page).waitFor({ state: 'detached' })
    expect(page.url()).toBe(appUrl('/snacks'))
    // The page is still the same, with the focus where it was.
    await expect.poll(() => page.evaluate(() => document.activeElement?.textContent?.trim())).toBe('간식 등록')
    await expectBackToOrders(page)
    await page.goForward()
    await page.waitForURL(appUrl('/snacks'))
  })

  it.each([
    ['the button', (page: Page) => dialog(page).getByRole('button', { name: '닫기' }).click()],
    ['Cancel', (page: Page) => dialog(page).getByRole('button', { name: '취소' }).click()],
    ['Escape', (page: Page) => page.keyboard.press('Escape')],
  ])('leaves the page after the dialog was closed by %s', async (_way, close) => {
    const page = await openSnacks()
    // Several times, so that an entry that was left behind would be noticed.
    for (let time = 0; time < 2; time += 1) {
      await openForm(page)
      await close(page)
      await dialog(page).waitFor({ state: 'detached' })
    }
    await expectBackToOrders(page)
  })

  it('works after Forward, which opens no dialog', async () => {
    const page = await openSnacks()
    await openForm(page)
    await page.goBack()
    await dialog(page).waitFor({ state: 'detached' })
    await page.goForward()
    await expect.poll(() => page.evaluate(() => history.state.dialog ?? 0)).toBe(0)
    expect(await dialog(page).count()).toBe(0)
    await openForm(page)
    await page.keyboard.press('Escape')
    await dialog(page).waitFor({ state: 'detached' })
    await expectBackToOrders(page)
  })

  it('works after the page was loaded again with an open dialog', async () => {
    const page = await openSnacks()
    await openForm(page)
    await page.reload()
    await settled(page)
    await expect.poll(() => page.evaluate(() => history.state.dialog ?? 0)).toBe(0)
    await expectBackToOrders(page)
  })

  it('closes one of two dialogs at a time', async () => {
    const page = await openSnacks(PHONE)
    await page.getByRole('button', { name: '내 메뉴' }).tap()
    await dialog(page).getByRole('button', { name: '탈퇴' }).tap()
    await page.getByRole('alertdialog').waitFor()
    await page.goBack()
    await page.getByRole('alertdialog').waitFor({ state: 'detached' })
    expect(await dialog(page).count()).toBe(1)
    await page.goBack()
    await dialog(page).waitFor({ state: 'detached' })
    await expectBackToOrders(page)
  })

  it('returns from a page that was opened in a dialog to the page below the dialog', async () => {
    const page = await openSnacks(PHONE)
    await page.getByRole('button', { name: '내 메뉴' }).tap()
    await dialog(page).getByRole('link', { name: '내 정보' }).tap()
    await page.waitForURL(appUrl('/profile'))
    await dialog(page).waitFor({ state: 'detached' })
    await page.goBack()
    await page.waitForURL(appUrl('/snacks'))
    await settled(page)
    expect(await dialog(page).count()).toBe(0)
    await expectBackToOrders(page)
  })

  it('returns from a new order to the snacks', async () => {
    const snack = await newSnack()
    const page = await openSnacks()
    await page.getByLabel('검색').fill(snack.name)
    await card(page, snack)
      .getByRole('button', { name: `${snack.name} 담기` })
      .click()
    await page.getByRole('region', { name: '주문할 간식' }).getByRole('button', { name: '주문하기' }).click()
    await dialog(page).getByRole('button', { name: '주문하기' }).click()
    await page.waitForURL(/\/orders\/[0-9a-f-]{36}$/)
    await page.goBack()
    await page.waitForURL(/\/snacks\?search=/)
    await settled(page)
    expect(await dialog(page).count()).toBe(0)
    await expectBackToOrders(page)
  })
})
