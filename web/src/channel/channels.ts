import { api, dataOf } from '../api/client'
import { queryClient } from '../api/query'
import type { Channel, ChannelChange, ChannelFields, Delivery, DeliveryStatus, Page } from '../api/types'

const CHANNELS = ['channels']
/** The key of the list. */
export const CHANNEL_LIST = [...CHANNELS, 'list']
export const deliveriesKey = (id: number) => [...CHANNELS, id, 'deliveries']

const invalidate = () => queryClient.invalidateQueries({ queryKey: CHANNELS })

export function fetchChannels(cursor: string | undefined, signal: AbortSignal): Promise<Page<Channel>> {
  return dataOf(api.GET('/channels', { params: { query: { cursor } }, signal }))
}

export function fetchDeliveries(
  id: number,
  status: DeliveryStatus | undefined,
  cursor: string | undefined,
  signal: AbortSignal,
): Promise<Page<Delivery>> {
  return dataOf(api.GET('/channels/{id}/deliveries', { params: { path: { id }, query: { status, cursor } }, signal }))
}

/** The response has the secret of a webhook. */
export async function createChannel(fields: ChannelFields): Promise<Channel> {
  const channel = await dataOf(api.POST('/channels', { body: fields }))
  await invalidate()
  return channel
}

export async function changeChannel(id: number, change: ChannelChange): Promise<void> {
  await dataOf(api.PATCH('/channels/{id}', { params: { path: { id } }, body: change }))
  await invalidate()
}

export async function deleteChannel(id: number): Promise<void> {
  await dataOf(api.DELETE('/channels/{id}', { params: { path: { id } } }))
  await invalidate()
}

/** A test that fails may also disable the channel. */
export async function testChannel(id: number): Promise<Delivery> {
  const delivery = await dataOf(api.POST('/channels/{id}/test', { params: { path: { id } } }))
  await invalidate()
  return delivery
}

export async function retryDelivery(id: number, delivery: number): Promise<void> {
  await dataOf(api.POST('/channels/{id}/deliveries/{delivery}/retry', { params: { path: { id, delivery } } }))
  await invalidate()
}
