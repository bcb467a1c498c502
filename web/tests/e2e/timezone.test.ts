import { describe, expect, it } from 'vitest'

import {
  appUrl,
  expectText,
  moveOrder,
  newAdmin,
  newMember,
  newOrder,
  request,
  useBrowser,
  type Order,
} from './harness'

const { open } = useBrowser()

describe('the time zone of the office', () => {
  it('is used to show and enter times', async () => {
    const [member, admin] = [await newMember(), await newAdmin()]
    const order = await newOrder(member)
    await moveOrder(order, 'approved')
    await moveOrder(order, 'ordered')
    const page = await open(admin, '/orders', { timezoneId: 'Asia/Tokyo' })
    // A test of the server checks that this attribute is APP_TIMEZONE.
    await page.route(appUrl('/orders/*'), async (route) => {
      const response = await route.fetch()
      const html = (await response.text()).replace(/data-timezone="[^"]*"/, 'data-timezone="America/New_York"')
      await route.fulfill({ response, body: html })
    })
    await page.goto(appUrl(`/orders/${order.uid}`))
    expect(await page.locator('html').getAttribute('data-timezone')).toBe('America/New_York')

    // 2030-01-09T03:00:00Z
    await expectText(page.locator('.facts'), /2030\. 1\. 8\. 오후 10:00/)
    const heading = page.locator('main header').first()
    await heading.getByRole('button', { name: '다른 작업' }).click()
    await page.getByRole('menuitem', { name: '도착 예정 변경' }).click()
    await heading.getByText(/(뉴욕|New York) 시간 기준/).waitFor()
    const arrival = heading.getByLabel('도착 예정')
    expect(await arrival.inputValue()).toBe('2030-01-08T22:00')
    // In summer.
    await arrival.fill('2031-07-05T09:30')
    await heading.getByRole('button', { name: '배송 중으로' }).click()
    await expectText(page.locator('.facts'), /2031\. 7\. 5\. 오전 9:30/)
    const moved = await request<Order>('GET', `/orders/${order.uid}`, member.token)
    expect(moved.estimated_arrival_time).toBe('2031-07-05T13:30:00Z')
  })
})
