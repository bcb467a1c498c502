// The page on which admins connect Slack and webhooks.
import { createHmac } from 'node:crypto'
import type { Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'

import { deleteChannels, newChannel, startReceiver, type Channel, type Received, type Receiver } from './channels'
import { audit, overflows } from './checks'
import {
  PHONE,
  admin,
  appUrl,
  expectText,
  newAdmin,
  newMember,
  newSnack,
  request,
  settled,
  toast,
  unique,
  useBrowser,
} from './harness'

const { open } = useBrowser()

let receiver: Receiver
beforeAll(async () => {
  receiver = await startReceiver()
})
beforeEach(() => {
  receiver.status = 200
  receiver.received.length = 0
})
afterEach(deleteChannels)
afterAll(() => receiver.close())

const channelCard = (page: Page, name: string) =>
  page.locator('li.channel').filter({ has: page.getByRole('heading', { name, exact: true }) })
const stored = async () => (await request<{ results: Channel[] }>('GET', '/channels', await admin())).results
const webhook = (events = ['order.created']) =>
  newChannel({ kind: 'webhook', name: `채널 ${unique()}`, url: `${receiver.url}/hook-${unique()}`, events })

/** Checks a signature of Standard Webhooks. */
function isSigned({ headers, body }: Received, secret: string): boolean {
  const key = Buffer.from(secret.replace('whsec_', ''), 'base64')
  const signed = `${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.${body}`
  return headers['webhook-signature'] === `v1,${createHmac('sha256', key).update(signed).digest('base64')}`
}

describe('channels', () => {
  it('a Slack channel is added with errors at its fields, and a test reaches it', async () => {
    const page = await open(await newAdmin(), '/desk')
    await page.getByRole('navigation', { name: '주문 관리 메뉴' }).getByRole('link', { name: '알림 채널' }).click()
    await expectText(page.locator('.empty'), /아직 채널이 없습니다/)
    await page.getByRole('button', { name: '채널 추가' }).click()
    const dialog = page.getByRole('dialog')
    const save = dialog.getByRole('button', { name: '채널 추가' })
    await dialog.waitFor()
    const chosen = dialog.getByRole('checkbox', { checked: true })
    while ((await chosen.count()) > 0) await chosen.first().uncheck()
    await save.click()
    await expectText(
      dialog,
      /이름[\s\S]*필수 항목입니다[\s\S]*받는 주소[\s\S]*필수 항목입니다[\s\S]*하나 이상 골라 주세요/,
    )
    await expect.poll(() => dialog.getByLabel('이름').evaluate((input) => input === document.activeElement)).toBe(true)

    await dialog.getByLabel('이름').fill('#간식')
    await dialog.getByLabel('받는 주소').fill('hooks.slack.com/services')
    await dialog.getByLabel('새 주문').check()
    await dialog.getByLabel('도착', { exact: true }).check()
    await save.click()
    await expect.poll(() => dialog.getByLabel('받는 주소').getAttribute('aria-invalid')).toBe('true')
    expect(await dialog.locator('.field-error').count()).toBe(1)
    await dialog.getByLabel('받는 주소').fill(`${receiver.url}/services/T000/B000/secretpart`)
    await dialog.getByLabel('메시지 언어').selectOption('en')
    await dialog.getByLabel('받는 주소').press('Enter')
    await toast(page, '“#간식” 채널을 추가했습니다.').waitFor()
    await dialog.waitFor({ state: 'detached' })
    expect(await stored()).toMatchObject([
      { kind: 'slack', name: '#간식', language: 'en', enabled: true, events: ['order.created', 'order.completed'] },
    ])

    const card = channelCard(page, '#간식')
    await expectText(card, /Slack[\s\S]*새 주문[\s\S]*도착/)
    // Who knows the whole URL can post to Slack.
    await expectText(card.locator('.url'), `${receiver.url}/…part`)
    await card.getByRole('button', { name: '#간식에 테스트 보내기' }).click()
    await expectText(card.getByRole('status'), /전달되었습니다\.\s*HTTP 200/)
    expect(receiver.received.map(({ path }) => path)).toEqual(['/services/T000/B000/secretpart'])
    expect(receiver.received[0]!.body).toContain('This is a test')
  })

  it('the key of a webhook is shown once, can be copied, and signs what is sent', async () => {
    const boss = await newAdmin()
    const page = await open(boss, '/channels')
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
    await page.getByRole('button', { name: '채널 추가' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('웹훅').check()
    expect(await dialog.getByLabel('메시지 언어').count()).toBe(0)
    await dialog.getByLabel('이름').fill('재고 시스템')
    await dialog.getByLabel('받는 주소').fill(`${receiver.url}/stock`)
    await dialog.getByRole('button', { name: '채널 추가' }).click()
    await expectText(dialog, /이 키는 지금 한 번만 보여 드립니다/)
    const secret = await dialog.getByLabel('서명 키').inputValue()
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/=]{32,}$/)
    expect(await audit(page)).toEqual([])
    await dialog.getByRole('button', { name: '복사' }).click()
    await toast(page, '서명 키를 복사했습니다.').waitFor()
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(secret)
    await dialog.getByRole('button', { name: '보관했습니다' }).click()
    await dialog.waitFor({ state: 'detached' })

    await page.getByRole('button', { name: '재고 시스템에 테스트 보내기' }).click()
    await expectText(channelCard(page, '재고 시스템').getByRole('status'), /전달되었습니다/)
    expect(isSigned(receiver.received[0]!, secret)).toBe(true)
    expect(isSigned({ ...receiver.received[0]!, body: '{}' }, secret)).toBe(false)
    // It is nowhere afterwards.
    await page.getByRole('button', { name: '재고 시스템 수정' }).click()
    await dialog.waitFor()
    expect(await page.content()).not.toContain(secret.slice(6))
  })

  it.each([
    [404, '받는 쪽에 그런 주소가 없습니다. 주소를 확인해 주세요.'],
    [403, '받는 쪽이 권한이 없다고 답했습니다. 주소를 확인해 주세요.'],
    [302, '받는 쪽이 다른 주소로 안내했습니다. 그 주소를 직접 입력해 주세요.'],
    [500, '받는 쪽 서버에 문제가 있습니다. 잠시 후 다시 보내 주세요.'],
  ])('a test that ends with %d says why', async (status, words) => {
    receiver.status = status
    const channel = await webhook()
    const page = await open(await newAdmin(), '/channels')
    const card = channelCard(page, channel.name)
    await card.getByRole('button', { name: `${channel.name}에 테스트 보내기` }).press('Enter')
    await expectText(card.getByRole('status'), new RegExp(`${words}\\s*HTTP ${status}`))
  })

  it('a test says when nobody listens', async () => {
    const closed = await startReceiver()
    closed.close()
    const { name } = await newChannel({
      kind: 'slack',
      name: '닫힌 곳',
      url: `${closed.url}/hook`,
      events: ['order.created'],
    })
    const page = await open(await newAdmin(), '/channels')
    await page.getByRole('button', { name: `${name}에 테스트 보내기` }).click()
    await expectText(channelCard(page, name).getByRole('status'), /받는 쪽에 연결하지 못했습니다\.[\s\S]*refused/)
  })

  it('a channel whose receiver is gone is shown as off', async () => {
    receiver.status = 410
    const channel = await webhook(['snack.registered'])
    await newSnack()
    await expect.poll(async () => (await stored())[0]!.enabled).toBe(false)
    const page = await open(await newAdmin(), '/channels')
    const card = channelCard(page, channel.name)
    expect(await card.getByRole('switch').isChecked()).toBe(false)
    expect(await card.getByText('꺼짐').isVisible()).toBe(true)
    await card.getByRole('link', { name: `${channel.name} 전송 기록` }).click()
    const row = page.locator('tbody tr')
    await expectText(row, /실패[\s\S]*이 주소를 더 이상 쓰지 않는다고[\s\S]*The channel was disabled/)
  })

  it('a channel is turned off and on, edited without its URL, and deleted after one question', async () => {
    const channel = await webhook()
    const page = await open(await newAdmin(), '/channels')
    const isEnabled = page.getByRole('switch', { name: `${channel.name} 사용` })
    await isEnabled.press('Space')
    await toast(page, `“${channel.name}” 채널을 껐습니다.`).waitFor()
    expect((await stored())[0]!.enabled).toBe(false)
    await isEnabled.press('Space')
    await toast(page, `“${channel.name}” 채널을 켰습니다.`).waitFor()
    expect((await stored())[0]!.enabled).toBe(true)

    await page.getByRole('button', { name: `${channel.name} 수정` }).click()
    const dialog = page.getByRole('dialog')
    expect(await dialog.getByLabel('받는 주소').getAttribute('placeholder')).toBe(channel.url)
    await dialog.getByLabel('이름').fill('새 이름')
    await dialog.getByLabel('새 간식 등록').check()
    await dialog.getByRole('button', { name: '저장' }).click()
    await toast(page, '“새 이름” 채널을 수정했습니다.').waitFor()
    const [changed] = await stored()
    expect(changed).toMatchObject({ name: '새 이름', url: channel.url, events: ['order.created', 'snack.registered'] })
    await page.getByRole('button', { name: '새 이름에 테스트 보내기' }).click()
    await expectText(channelCard(page, '새 이름').getByRole('status'), /전달되었습니다/)

    // What was typed is not lost by accident.
    await page.getByRole('button', { name: '새 이름 수정' }).click()
    await dialog.getByLabel('받는 주소').fill('https://example.com/')
    await page.keyboard.press('Escape')
    await page.getByRole('alertdialog').getByText('작성한 내용을 버릴까요?').waitFor()
    await page.getByRole('button', { name: '버리기' }).click()
    await dialog.waitFor({ state: 'detached' })

    await page.getByRole('button', { name: '새 이름 삭제' }).click()
    const question = page.getByRole('alertdialog')
    await expectText(question, /“새 이름” 채널을 삭제할까요\?[\s\S]*전송 기록도 사라지고/)
    await question.getByRole('button', { name: '채널 삭제' }).click()
    await toast(page, '“새 이름” 채널을 삭제했습니다.').waitFor()
    await expectText(page.locator('.empty'), /아직 채널이 없습니다/)
    expect(await stored()).toEqual([])
  })

  it('members do not see them', async () => {
    const page = await open(await newMember())
    await page.goto(appUrl('/channels'))
    await page.waitForURL(appUrl('/orders'))
    await toast(page, '관리자만 볼 수 있는 페이지입니다.').waitFor()
  })

  it.each(['ko', 'en'])('the pages and the dialog pass the checks, %s', async (language) => {
    const channel = await newChannel({
      kind: 'slack',
      name: `Supercalifragilistic ${unique()}`.padEnd(100, 'x'),
      url: `${receiver.url}/services`,
      events: ['order.created', 'order.arrival_changed', 'budget.reached'],
    })
    receiver.status = 500
    const boss = await newAdmin()
    for (const options of [{}, { ...PHONE, viewport: { width: 320, height: 640 } }]) {
      const page = await open(boss, '/channels', options)
      await page.evaluate((chosen) => localStorage.setItem('snack.language', chosen), language)
      await page.reload()
      await settled(page)
      await channelCard(page, channel.name).getByRole('button').first().click()
      await page.locator('.outcome').waitFor()
      const check = async (name: string) =>
        expect([name, await audit(page), await overflows(page)]).toEqual([name, [], false])
      await check('channels')
      await page.locator('.heading .button-primary').click()
      await page.getByRole('dialog').locator('summary').click()
      await check('dialog')
      const body = page.getByRole('dialog').locator('.dialog-body')
      expect(await body.evaluate(({ scrollWidth, clientWidth }) => scrollWidth <= clientWidth)).toBe(true)
      await page.goto(appUrl(`/channels/${channel.id}/deliveries`))
      await settled(page)
      await check('deliveries')
    }
  })
})

describe('the deliveries of a channel', () => {
  it('are listed with what the receiver said, can be filtered, and are sent again', async () => {
    receiver.status = 500
    const channel = await webhook(['snack.registered'])
    const snack = await newSnack()
    const page = await open(await newAdmin(), '/channels')
    await page.getByRole('link', { name: `${channel.name} 전송 기록` }).click()
    await page.waitForURL(appUrl(`/channels/${channel.id}/deliveries`))
    await settled(page)
    await expectText(page.locator('.heading'), new RegExp(channel.name))
    const row = page.locator('tbody tr').filter({ hasText: '새 간식 등록' })
    await expectText(row, /대기 중[\s\S]*받는 쪽 서버에 문제가 있습니다[\s\S]*HTTP 500[\s\S]*다음 시도/)

    await page.getByRole('combobox', { name: '상태' }).selectOption({ label: '전달됨' })
    await page.waitForURL(appUrl(`/channels/${channel.id}/deliveries?status=delivered`))
    await expectText(page.locator('.empty'), '조건에 맞는 전송 기록이 없습니다.')
    await page.getByRole('combobox', { name: '상태' }).selectOption({ label: '전체' })

    receiver.status = 200
    await row.getByRole('button', { name: /^다시 보내기: 새 간식 등록/ }).click()
    await toast(page, '다시 보냅니다.').waitFor()
    // Without a reload.
    await expectText(row, /전달됨[\s\S]*전달되었습니다\.\s*HTTP 200/)
    const ids = new Set(receiver.received.map(({ headers }) => headers['webhook-id']))
    expect(ids.size).toBe(1)
    expect(receiver.received.length).toBeGreaterThanOrEqual(2)
    expect(receiver.received.at(-1)!.body).toContain(snack.name)
  })

  it('are loaded page by page', async () => {
    const channel = await webhook()
    for (let count = 0; count < 21; count += 1) {
      await request('POST', `/channels/${channel.id}/test`, await admin())
    }
    const page = await open(await newAdmin(), `/channels/${channel.id}/deliveries`)
    await expect.poll(() => page.locator('tbody tr').count()).toBe(20)
    await page.getByRole('button', { name: '더 보기' }).click()
    await expect.poll(() => page.locator('tbody tr').count()).toBe(21)
  })
})
