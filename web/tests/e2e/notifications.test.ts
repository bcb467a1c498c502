// The bell, the list of notifications and the mails.
import type { Locator, Page } from 'playwright-core'
import { describe, expect, it } from 'vitest'

import {
  PHONE,
  admin,
  appUrl,
  expectText,
  moveOrder,
  newAdmin,
  newMember,
  newOrder,
  newSnack,
  request,
  settled,
  signIn,
  toast,
  useBrowser,
  type Order,
  type Person,
  withoutStream,
} from './harness'

const { open } = useBrowser()

const bell = (page: Page) => page.getByRole('banner').locator('a[href$="/notifications"]')
const rows = (page: Page) => page.locator('li.notification')
const number = (page: Page) => bell(page).locator('.count')
/** What screen readers say. */
const nameOf = (locator: Locator) => locator.locator('.visually-hidden').innerText()
const unreadCount = async ({ token }: Person) =>
  (await request<{ count: number }>('GET', '/notifications/unread-count', token)).count

/** As when the user comes back from another window. */
async function focusAgain(page: Page): Promise<void> {
  await page.evaluate(() => {
    window.dispatchEvent(new Event('blur'))
    window.dispatchEvent(new Event('focus'))
  })
}

/** Notifies the owner of `order`, which is on its way, of another arrival. */
async function changeArrival(order: Order, minute: number): Promise<void> {
  const estimated_arrival_time = new Date(Date.UTC(2030, 0, 9, 0, minute)).toISOString()
  await request('PUT', `/orders/${order.uid}/arrival`, await admin(), { estimated_arrival_time })
}

/** An order whose owner has `count` notifications, all unread. */
async function orderWith(count: number, owner: Person): Promise<Order> {
  const order = await newOrder(owner)
  for (const status of ['approved', 'ordered', 'shipping'] as const) await moveOrder(order, status)
  for (let minute = 0; minute < count - 3; minute += 1) await changeArrival(order, minute)
  expect(await unreadCount(owner)).toBe(count)
  return order
}

describe('the bell', () => {
  it.each([{}, PHONE])('leads a member to an approved order in two presses', async (options) => {
    const member = await newMember()
    const order = await moveOrder(await newOrder(member), 'approved')
    const page = await open(member, '/snacks', options)
    await expect.poll(() => nameOf(bell(page))).toBe('알림 1개 읽지 않음')
    expect(await page.getByRole('link', { name: '알림 1개 읽지 않음', exact: true }).count()).toBe(1)
    expect((await bell(page).boundingBox())!.height).toBeGreaterThanOrEqual(44)

    await bell(page).click()
    await page
      .getByRole('link', { name: `읽지 않음: 주문이 승인되었습니다: ${order.purchases[0]!.snack.name}` })
      .click()

    await page.waitForURL(appUrl(`/orders/${order.uid}`))
    // It was read by that.
    await expect.poll(() => nameOf(bell(page))).toBe('알림')
    expect(await unreadCount(member)).toBe(0)
    await page.goBack()
    await settled(page)
    await expect.poll(() => rows(page).filter({ hasText: '읽지 않음' }).count()).toBe(0)
    expect(await rows(page).count()).toBe(1)
  })

  it('leads an admin to the approval of a new order in three presses', async () => {
    const [boss, member] = [await newAdmin(), await newMember()]
    // Nothing limits this currency.
    const order = await newOrder(member, [await newSnack({ price: '300', currency: 'JPY' })])
    const page = await open(boss, '/statistics')
    await expect.poll(() => nameOf(bell(page))).toBe('알림 2개 읽지 않음')
    let presses = 0
    const press = async (locator: Locator) => {
      presses += 1
      await locator.click()
    }
    await press(bell(page))
    await press(page.getByRole('link', { name: `${member.name} 님이 주문했습니다` }))
    await press(page.getByRole('button', { name: '승인', exact: true }))
    await toast(page, '주문을 승인했습니다.').waitFor()
    expect(presses).toBe(3)
    expect((await request<Order>('GET', `/orders/${order.uid}`, boss.token)).status).toBe('approved')
  })

  it('counts to 99, and the rows are loaded page by page', async () => {
    const member = await newMember()
    const order = await orderWith(99, member)
    const page = await open(member)
    await expect.poll(() => nameOf(bell(page))).toBe('알림 99개 읽지 않음')
    expect(await number(page).innerText()).toBe('99')
    await changeArrival(order, 500)
    await page.getByRole('link', { name: '통계' }).click()
    await expect.poll(() => nameOf(bell(page))).toBe('알림 100개 읽지 않음')
    expect(await number(page).innerText()).toBe('99+')

    await bell(page).click()
    await page.waitForURL(appUrl('/notifications'))
    await expect.poll(() => rows(page).count()).toBe(20)
    await page.getByRole('button', { name: '더 보기' }).click()
    await expect.poll(() => rows(page).count()).toBe(40)
  })

  it('counts again when the window gets the focus, and the list shows what has come', async () => {
    const member = await newMember()
    const order = await orderWith(3, member)
    const page = await open(member, '/notifications')
    await withoutStream(page)
    await expect.poll(() => rows(page).count()).toBe(3)
    await expectText(rows(page).first(), /배송이 시작되었습니다/)
    await moveOrder(order, 'completed')
    await focusAgain(page)
    await expect.poll(() => nameOf(bell(page))).toBe('알림 4개 읽지 않음')
    await expectText(rows(page).first(), /간식이 도착했습니다/)
  })

  it('does not go back to an older number that arrives late', async () => {
    const member = await newMember()
    await orderWith(3, member)
    const page = await open(member, '/notifications')
    await expect.poll(() => nameOf(bell(page))).toBe('알림 3개 읽지 않음')
    let release = () => {}
    const released = new Promise<void>((resolve) => (release = resolve))
    let isHeld = false
    await page.route('**/notifications/unread-count', async (route) => {
      const response = await route.fetch()
      expect(await response.json()).toEqual({ count: 3 })
      isHeld = true
      await released
      await route.fulfill({ response })
    })
    await focusAgain(page)
    await expect.poll(() => isHeld).toBe(true)
    await page.getByRole('button', { name: '모두 읽음' }).click()
    await toast(page, '알림을 모두 읽음으로 표시했습니다.').waitFor()
    const late = page.waitForResponse('**/notifications/unread-count')
    release()
    await (await late).finished()
    await settled(page)
    expect(await nameOf(bell(page))).toBe('알림')
  })

  it('does not show the number of another user', async () => {
    const member = await newMember()
    await orderWith(3, member)
    const page = await open(member)
    await expect.poll(() => nameOf(bell(page))).toBe('알림 3개 읽지 않음')
    await page.getByRole('button', { name: '로그아웃' }).click()
    await page.getByRole('heading', { name: '로그인' }).waitFor()
    expect(await bell(page).count()).toBe(0)
    await signIn(page, await newMember())
    await expect.poll(() => nameOf(bell(page))).toBe('알림')
    expect(await number(page).count()).toBe(0)
  })
})

describe('the list of notifications', () => {
  it('is read as a whole in one press, and can be filtered', async () => {
    const member = await newMember()
    await orderWith(3, member)
    const page = await open(member, '/notifications')
    const unread = rows(page).filter({ hasText: '읽지 않음' })
    await expect.poll(() => unread.count()).toBe(3)
    // The newest is first. Its time is in words, with the exact one in a tooltip.
    await expectText(rows(page).first(), /배송이 시작되었습니다[\s\S]*관리자[\s\S]*방금/)
    const exact = await rows(page).first().locator('time').getAttribute('title')
    expect(exact).toMatch(/^\d{4}\. \d+\. \d+\. 오[전후] \d+:\d{2}$/)
    // Unread rows differ by more than their colour.
    expect(await rows(page).first().locator('.dot').isVisible()).toBe(true)

    await unread.nth(1).getByRole('link').press('Enter')
    await page.waitForURL(/\/orders\/[0-9a-f-]{36}$/)
    await bell(page).press('Enter')
    await page.waitForURL(appUrl('/notifications'))
    await settled(page)
    await expect.poll(() => unread.count()).toBe(2)
    expect(await rows(page).count()).toBe(3)
    await page.getByRole('switch', { name: '읽지 않은 알림만' }).press('Space')
    await page.waitForURL(appUrl('/notifications?unread=true'))
    await expect.poll(() => rows(page).count()).toBe(2)

    await page.getByRole('button', { name: '모두 읽음' }).press('Enter')
    await toast(page, '알림을 모두 읽음으로 표시했습니다.').waitFor()
    await expectText(page.locator('.empty'), '읽지 않은 알림이 없습니다.')
    expect(await nameOf(bell(page))).toBe('알림')
    expect(await unreadCount(member)).toBe(0)
    await page.getByRole('button', { name: '모든 알림 보기' }).click()
    await expect.poll(() => rows(page).count()).toBe(3)
    await expect.poll(() => unread.count()).toBe(0)
  })

  it('says when there is nothing, and is in the language of the app', async () => {
    const member = await newMember()
    const page = await open(member, '/notifications')
    await expectText(page.locator('.empty'), /아직 알림이 없습니다/)
    await orderWith(3, member)
    await page.reload()
    await expectText(rows(page).first(), /배송이 시작되었습니다[\s\S]*방금/)
    await page.getByRole('button', { name: 'English' }).click()
    await expectText(rows(page).first(), /Order shipping[\s\S]*just now/)
    await expect.poll(() => nameOf(bell(page))).toBe('3 unread notifications')
  })

  it('leads to the profile after a change of the role', async () => {
    const boss = await newAdmin()
    const page = await open(boss, '/notifications')
    await page.getByRole('link', { name: '관리자로 지정되었습니다.' }).click()
    await page.waitForURL(appUrl('/profile'))
    await expect.poll(() => unreadCount(boss)).toBe(0)
  })
})

describe('mails', () => {
  const preference = async ({ token }: Person) =>
    (await request<{ email: string }>('GET', '/notifications/preferences', token)).email

  it('are turned on and off in the profile, which is saved at once', async () => {
    const member = await newMember()
    const page = await open(member, '/profile')
    const mails = page.getByRole('switch', { name: '이메일 알림' })
    expect(await mails.isChecked()).toBe(false)
    await mails.press('Space')
    await toast(page, '알림을 이메일로도 받습니다.').waitFor()
    expect(await preference(member)).toBe('all')
    await page.reload()
    await settled(page)
    expect(await mails.isChecked()).toBe(true)
    await mails.press('Space')
    await toast(page, '이메일 알림을 껐습니다.').waitFor()
    expect(await preference(member)).toBe('none')
    expect(await mails.isChecked()).toBe(false)
  })

  it('follow the language of the app, if they are on', async () => {
    const member = await newMember()
    const page = await open(member)
    const saved: string[] = []
    const path = '/notifications/preferences'
    page.on('request', (sent) => {
      if (sent.url().endsWith(path) && sent.method() === 'PUT') saved.push(sent.headers()['accept-language']!)
    })
    const asked = () =>
      page.waitForResponse((response) => response.url().endsWith(path) && response.request().method() === 'GET')
    for (const name of ['English', '한국어']) {
      const loaded = asked()
      await page.getByRole('button', { name }).click()
      await loaded
    }
    expect(saved).toEqual([])

    await request('PUT', path, member.token, { email: 'all' })
    await page.getByRole('button', { name: 'English' }).click()
    await expect.poll(() => saved).toEqual(['en'])
    await page.getByRole('button', { name: '한국어' }).click()
    await expect.poll(() => saved).toEqual(['en', 'ko'])
    // Nothing is said about it.
    expect(await page.locator('.toast').count()).toBe(0)
    expect(await preference(member)).toBe('all')
  })
})
