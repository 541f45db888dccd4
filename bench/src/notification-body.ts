/** What a notification with one entry comes to; the prototypes were measured with it too. */
const bodyBytes = 468

/**
 * A notification on the n-th registration, which differs from all others in its merchant, store and request id.
 * Another `step` is another content of the same registration: its reason reads differently.
 */
export function notificationBody(n: number, step = 0): Buffer {
  const id = String(n).padStart(12, '0')
  const body = (rejectionReason: string) =>
    Buffer.from(
      JSON.stringify({
        registrationRequestId: `2020091811058602000${id}`,
        referenceMerchantId: merchantId(n),
        referenceStoreId: `34${id}`,
        registrationResult: { registrationStatus: 'COMPLETED' },
        pspRegistrationResultList: [
          {
            productCodes: ['IN_STORE_PAYMENT', 'CASHIER_PAYMENT'],
            pspName: 'ALIPAY_CN',
            registrationResult: { registrationStatus: 'REJECTED', rejectionReason },
          },
        ],
      }),
    )
  return body(String(step).padEnd(bodyBytes - body('').length, '.'))
}

export function merchantId(n: number): string {
  return `2188${String(n).padStart(12, '0')}`
}
