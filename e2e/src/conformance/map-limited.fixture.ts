/** Works through a list with so many at a time; the results are in the order of the list. */
export async function mapLimited<T, R>(
  items: readonly T[],
  { atATime }: { atATime: number },
  work: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results: R[] = []
  const waiting = items.entries()
  const worker = async () => {
    for (const [index, item] of waiting) results[index] = await work(item, index)
  }
  await Promise.all(Array.from({ length: atATime }, worker))
  return results
}
