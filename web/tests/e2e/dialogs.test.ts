import type { Page } from 'playwright-core'
import { describe, expect, it } from 'vitest'

import {
  PHONE,
  appUrl,
  card,
  newMember,
  newOrder,
  newSnack,
  request,
  settled,
  toast,
  unique,
  useBrowser,
} from './harness'

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

const question = (page: Page) => page.getByRole('alertdialog', { name: '작성한 내용을 버릴까요?' })

describe('a dialog with changed fields', () => {
  const ways: [string, (page: Page) => Promise<unknown>][] = [
    ['the button', (page) => dialog(page).getByRole('button', { name: '닫기' }).click()],
    ['Cancel', (page) => dialog(page).getByRole('button', { name: '취소' }).click()],
    ['Escape', (page) => page.keyboard.press('Escape')],
    ['a press beside it', (page) => page.mouse.click(20, 20)],
    ['Back', (page) => page.goBack()],
  ]

  it.each(ways)('asks before %s closes it', async (_way, close) => {
    const page = await openSnacks()
    await openForm(page)
    await dialog(page).getByLabel('간식 이름').fill('쓰다 만 과자')
    // Each time, and the text stays.
    for (let time = 0; time < 2; time += 1) {
      await close(page)
      await question(page).getByRole('button', { name: '돌아가기' }).click()
      await question(page).waitFor({ state: 'detached' })
      expect(await dialog(page).getByLabel('간식 이름').inputValue()).toBe('쓰다 만 과자')
    }
    await close(page)
    await question(page).getByRole('button', { name: '버리기' }).click()
    await dialog(page).waitFor({ state: 'detached' })
    // What was discarded does not return.
    await openForm(page)
    expect(await dialog(page).getByLabel('간식 이름').inputValue()).toBe('')
    await page.keyboard.press('Escape')
    await dialog(page).waitFor({ state: 'detached' })
    await expectBackToOrders(page)
  })

  it('asks for an order, too, but not after the change was undone', async () => {
    const member = await newMember()
    const order = await newOrder(member)
    const page = await open(member, `/orders/${order.uid}`)
    await page.getByRole('button', { name: '주문 수정' }).click()
    await dialog(page).getByRole('button', { name: '수량 늘리기' }).click()
    await page.keyboard.press('Escape')
    await question(page).getByRole('button', { name: '돌아가기' }).click()
    await dialog(page).getByRole('button', { name: '수량 줄이기' }).click()
    await page.keyboard.press('Escape')
    await dialog(page).waitFor({ state: 'detached' })
    expect(await question(page).count()).toBe(0)
  })
})

/** Ends the session on the server, as if it had expired. */
async function expire(page: Page): Promise<void> {
  await page.evaluate(() => {
    const tokens = JSON.parse(localStorage.getItem('snack.session')!)
    localStorage.setItem('snack.session', JSON.stringify({ ...tokens, access: 'expired', refresh: 'expired' }))
  })
}

async function signInAgain(page: Page, person: { email: string; password: string }): Promise<void> {
  await page.getByRole('heading', { name: '로그인', level: 1 }).waitFor()
  await page.locator('input[name=email]').fill(person.email)
  await page.locator('input[name=password]').fill(person.password)
  await page.getByRole('button', { name: '로그인' }).click()
}

const drafts = (page: Page) => page.evaluate(() => sessionStorage.getItem('snack.drafts'))

describe('typed text', () => {
  it('of a new snack survives an expired session, for the same member only', async () => {
    const [member, other] = [await newMember(), await newMember()]
    const page = await open(member, '/snacks')
    const name = `기다린 과자 ${unique()}`
    const fill = async () => {
      await dialog(page).getByLabel('간식 이름').fill(name)
      await dialog(page).getByLabel('가격').fill('1500')
      await dialog(page).getByLabel('설명').fill('첫 줄\n둘째 줄')
    }
    await openForm(page)
    await fill()
    await expire(page)
    await dialog(page).getByRole('button', { name: '간식 등록' }).click()

    // Another member of the same browser finds an empty form.
    await signInAgain(page, other)
    await page.waitForURL(appUrl('/snacks'))
    await settled(page)
    expect(await dialog(page).count()).toBe(0)
    await openForm(page)
    expect(await dialog(page).getByLabel('간식 이름').inputValue()).toBe('')
    await expire(page)
    await dialog(page).getByLabel('간식 이름').fill('남의 과자')
    await dialog(page).getByRole('button', { name: '간식 등록' }).click()

    await signInAgain(page, member)
    await page.waitForURL(appUrl('/snacks'))
    await expect.poll(() => dialog(page).getByLabel('간식 이름').inputValue()).toBe(name)
    expect(await dialog(page).getByLabel('가격').inputValue()).toBe('1500')
    expect(await dialog(page).getByLabel('설명').inputValue()).toBe('첫 줄\n둘째 줄')
    await dialog(page).getByRole('button', { name: '간식 등록' }).click()
    await toast(page, `“${name}” 간식을 등록했습니다.`).waitFor()
    // What was sent does not return.
    expect(await drafts(page)).not.toContain(name)
    await page.reload()
    await settled(page)
    expect(await dialog(page).count()).toBe(0)
  })

  it('of an order survives a reload', async () => {
    const member = await newMember()
    const order = await newOrder(member, undefined, 2)
    const page = await open(member, `/orders/${order.uid}`)
    await page.getByRole('button', { name: '주문 수정' }).click()
    await dialog(page).getByRole('button', { name: '수량 늘리기' }).click()
    await dialog(page).getByLabel('메모').fill('금요일 회의에 필요합니다.')
    await page.reload()
    await expect.poll(() => dialog(page).getByRole('spinbutton').inputValue()).toBe('3')
    expect(await dialog(page).getByLabel('메모').inputValue()).toBe('금요일 회의에 필요합니다.')

    // It would overwrite what another user has changed meanwhile.
    const [line] = order.purchases
    await request('PUT', `/orders/${order.uid}`, member.token, { snacks: [{ uid: line!.snack.uid, quantity: 7 }] })
    await page.reload()
    await settled(page)
    await page.getByRole('button', { name: '주문 수정' }).click()
    expect(await dialog(page).getByRole('spinbutton').inputValue()).toBe('7')
  })

  it('of the profile survives an expired session, but no password is kept', async () => {
    const member = await newMember()
    const page = await open(member, '/profile')
    await page.getByLabel('현재 비밀번호').fill('secret-password')
    await page.getByLabel('이름').fill('새 이름')
    expect(await drafts(page)).toContain('새 이름')
    expect(await drafts(page)).not.toContain('secret-password')
    await expire(page)
    await page.getByRole('button', { name: '저장' }).click()
    await signInAgain(page, member)
    await page.waitForURL(appUrl('/profile'))
    await expect.poll(() => page.getByLabel('이름').inputValue()).toBe('새 이름')
    await page.getByRole('button', { name: '저장' }).click()
    await toast(page, '이름을 변경했습니다').waitFor()
    expect(await drafts(page)).toBeNull()
  })

  it('is removed by signing out', async () => {
    const page = await open(await newMember(), '/profile')
    await page.getByLabel('이름').fill('남지 않을 이름')
    expect(await drafts(page)).not.toBeNull()
    await page.getByRole('banner').getByRole('button', { name: '로그아웃' }).click()
    await page.getByRole('heading', { name: '로그인', level: 1 }).waitFor()
    expect(await drafts(page)).toBeNull()
  })
})
