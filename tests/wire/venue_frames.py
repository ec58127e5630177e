"""Frames as the venues send them to private, trade and public sockets; long rows are shortened.

Field names, types and order follow the venues' documentation and published captures (Bybit V5 to
July 2026, OKX V5 to September 2026); client ids are ours.
"""

BYBIT_EXECUTIONS = (
    b'{"topic":"execution","id":"74199870_BTCUSDT_816281671302","creationTime":1790409770904,"'
    b'data":[{"category":"linear","symbol":"BTCUSDT","execFee":"0.016806","execId":"1c1ea8a1-0'
    b'f3e-5b25-9d0a-5a1f7e6b0002","execPrice":"84030.00","execQty":"0.001","execType":"Trade",'
    b'"execValue":"84.03","feeRate":"0.0002","leavesQty":"0.005","orderId":"6a5d1d36-2f5c-4f0e'
    b'-9d0b-3c1f1f0a7b11","orderLinkId":"1234567890123456789","orderPrice":"84030.00","orderQt'
    b'y":"0.010","side":"Sell","execTime":"1790409770902","isMaker":true,"seq":816281671302,"t'
    b'radeIv":"","extraFees":[],"feeCurrency":"USDT"},{"category":"linear","symbol":"BTCUSDT",'
    b'"execFee":"0.08403","execId":"1c1ea8a1-0f3e-5b25-9d0a-5a1f7e6b0003","execPrice":"84030.0'
    b'0","execQty":"0.005","execType":"Trade","execValue":"420.15","feeRate":"0.0002","leavesQ'
    b'ty":"0.000","orderId":"6a5d1d36-2f5c-4f0e-9d0b-3c1f1f0a7b11","orderLinkId":"123456789012'
    b'3456789","orderPrice":"84030.00","orderQty":"0.010","side":"Sell","execTime":"1790409770'
    b'902","isMaker":true,"seq":816281671302,"tradeIv":"","extraFees":[],"feeCurrency":"USDT"}'
    b']}'
)
BYBIT_FUNDING_PAID = (
    b'{"topic":"execution","id":"74199870_BTCUSDT_816300000001","creationTime":1790438400412,"'
    b'data":[{"category":"linear","symbol":"BTCUSDT","execFee":"0.0457504","execId":"5f0c2d1e-'
    b'7a44-4d0e-8c91-2b7d9e6a0005","execPrice":"84100.00","execQty":"0.010","execType":"Fundin'
    b'g","execValue":"841","feeRate":"0.0000544","leavesQty":"0","orderId":"1790438400-7419987'
    b'0-funding","orderLinkId":"","orderPrice":"0","orderQty":"0","side":"Sell","execTime":"17'
    b'90438400000","isMaker":false,"seq":816300000001,"tradeIv":"","extraFees":[],"feeCurrency'
    b'":"USDT"}]}'
)
BYBIT_IOC_PARTIAL = (
    b'{"topic":"order","id":"74199870_BTCUSDT_816281690077","creationTime":1790409773006,"data'
    b'":[{"category":"linear","symbol":"BTCUSDT","orderId":"0f4a7c58-6d0e-4f2c-9d61-77f0a9e4c3'
    b'33","orderLinkId":"1234567890123456789","side":"Buy","positionIdx":0,"orderStatus":"Canc'
    b'elled","cancelType":"UNKNOWN","rejectReason":"EC_NoImmediateQtyToFill","timeInForce":"IO'
    b'C","price":"84018.00","qty":"0.050","avgPrice":"84017.6","leavesQty":"0.000","cumExecQty'
    b'":"0.021","smpGroup":0,"createdTime":"1790409773003","updatedTime":"1790409773005","cumF'
    b'eeDetail":{"USDT":"0.97040328"}}]}'
)
BYBIT_POSITION = (
    b'{"id":"74199870d2bce751-ad38-48eb-8f42-4671d1fb4d4e","topic":"position","creationTime":1'
    b'790409770906,"data":[{"positionIdx":0,"tradeMode":0,"symbol":"BTCUSDT","side":"Sell","si'
    b'ze":"0.010","entryPrice":"84030","unrealisedPnl":"0.0867","category":"linear","seq":8162'
    b'81671302,"liqPrice":""}]}'
)
BYBIT_WALLET = (
    b'{"id":"592324d2bce751-ad38-48eb-8f42-4671d1fb4d4e","topic":"wallet","creationTime":17000'
    b'34722104,"data":[{"totalEquity":"10262.91335023","totalAvailableBalance":"9556.6056555",'
    b'"coin":[{"coin":"BTC","equity":"0.00102964","walletBalance":"0.00102964","unrealisedPnl"'
    b':"0","availableToBorrow":"","totalOrderIM":""},{"coin":"USDT","equity":"1000.25","wallet'
    b'Balance":"1000.5","unrealisedPnl":"-0.25","totalOrderIM":""}],"accountType":"UNIFIED"}]}'
)
BYBIT_ACK = (
    b'{"reqId":"1234567890123456789","retCode":0,"retMsg":"OK","op":"order.create","data":{"or'
    b'derId":"a4c1718e-fe53-4659-a118-1f6ecce04ad9","orderLinkId":""},"retExtInfo":{},"header"'
    b':{"X-Bapi-Limit":"10","X-Bapi-Limit-Status":"9","X-Bapi-Limit-Reset-Timestamp":"17110015'
    b'95208","Traceid":"38b7977b430f9bd228f4b19724794dfd","Timenow":"1711001595209"},"connId":'
    b'"cnt5leec0hvan15eukcg-2v"}'
)
BYBIT_REJECT = (
    b'{"reqId":"1234567890123456789","retCode":110007,"retMsg":"ab not enough for new order","'
    b'op":"order.create","data":{},"retExtInfo":{},"header":{"X-Bapi-Limit":"10","X-Bapi-Limit'
    b'-Status":"8","X-Bapi-Limit-Reset-Timestamp":"1790409770008","Traceid":"8d27b5c1f0e94a7fb'
    b'2a64d3c5e1f7a90","Timenow":"1790409770009"},"connId":"d2a641kgcg7ab33b7mdg-4x6a"}'
)
BYBIT_TIMESTAMP = (
    b'{"reqId":"1234567890123456789","retCode":10002,"retMsg":"The request time exceeds the ti'
    b'me window range.","op":"order.create","data":{},"retExtInfo":{},"header":{"X-Bapi-Limit"'
    b':"10","X-Bapi-Limit-Status":"9","X-Bapi-Limit-Reset-Timestamp":"1790409770020","Traceid"'
    b':"8d27b5c1f0e94a7fb2a64d3c5e1f7a90","Timenow":"1790409770021"},"connId":"d2a641kgcg7ab33'
    b'b7mdg-4x6a"}'
)
BYBIT_RESTARTING = (
    b'{"reqId":"1234567890123456789","retCode":10019,"retMsg":"Trade service is restarting, pl'
    b'ease reconnect.","op":"order.create","data":{},"retExtInfo":{},"header":{"Timenow":"1790'
    b'409770090"},"connId":"d2a641kgcg7ab33b7mdg-4x6a"}'
)
BYBIT_DUPLICATE = (
    b'{"reqId":"1234567890123456789","retCode":110072,"retMsg":"OrderLinkedID is duplicate","o'
    b'p":"order.create","data":{},"retExtInfo":{},"header":{"X-Bapi-Limit":"10","X-Bapi-Limit-'
    b'Status":"7","X-Bapi-Limit-Reset-Timestamp":"1790409770014","Traceid":"8d27b5c1f0e94a7fb2'
    b'a64d3c5e1f7a90","Timenow":"1790409770015"},"connId":"d2a641kgcg7ab33b7mdg-4x6a"}'
)
BYBIT_UNKNOWN_SYMBOL = (
    b'{"success":false,"ret_msg":"error:handler not found,topic:orderbook.50.NOPEUSDT","conn_i'
    b'd":"da7tmhs21nld3jk6lb70-8csm4","req_id":"e1","op":"subscribe"}'
)
BYBIT_ALREADY = (
    b'{"success":false,"ret_msg":"error:already subscribed,topic:orderbook.1.ETHUSDT","conn_id'
    b'":"da7tmhs21nld3jk6lb70-8csm4","req_id":"e6","op":"subscribe"}'
)
BYBIT_TICKER = (
    b'{"topic":"tickers.BTCUSDT","type":"snapshot","data":{"symbol":"BTCUSDT","tickDirection":'
    b'"ZeroMinusTick","price24hPcnt":"-0.00506","lastPrice":"63958.60","prevPrice24h":"64283.9'
    b'0","highPrice24h":"64477.00","lowPrice24h":"63183.10","prevPrice1h":"64246.90","markPric'
    b'e":"63958.60","indexPrice":"63986.67","openInterest":"57798.137","openInterestValue":"36'
    b'96687925.13","turnover24h":"3947254153.7179","volume24h":"61874.6390","fundingIntervalHo'
    b'ur":"8","fundingCap":"0.005","singleOpenInterest":"28899.069","singleOpenInterestValue":'
    b'"1848343994.54","nextFundingTime":"1786550400000","fundingRate":"0.0000544","bid1Price":'
    b'"63958.60","bid1Size":"6.907","ask1Price":"63958.70","ask1Size":"2.750","preOpenPrice":"'
    b'","preQty":"","curPreListingPhase":""},"cs":760580211302,"ts":1786540397684}'
)
BYBIT_TICKER_DELTA = (
    b'{"topic":"tickers.BTCUSDT","type":"delta","data":{"symbol":"BTCUSDT","nextFundingTime":"'
    b'1786579200000","fundingRate":"0.0000612"},"cs":760599218857,"ts":1786550400812}'
)
BYBIT_TICKER_BBO = (
    b'{"topic":"tickers.BTCUSDT","type":"delta","data":{"symbol":"BTCUSDT","bid1Size":"6.411",'
    b'"ask1Price":"63958.80","ask1Size":"0.310"},"cs":760580219411,"ts":1786540398083}'
)
OKX_PARTIAL = (
    b'{"arg":{"channel":"orders","instType":"SWAP","uid":"44705892343619584"},"data":[{"instTy'
    b'pe":"SWAP","instId":"BTC-USDT-SWAP","ordId":"3970112233445566002","clOrdId":"12345678901'
    b'23456789","px":"84093.5","sz":"1.5","ordType":"ioc","side":"buy","posSide":"net","tdMode'
    b'":"cross","accFillSz":"0.9","avgPx":"84093.5","state":"partially_filled","fee":"-0.37842'
    b'075","uTime":"1790439601001","cTime":"1790439601000","reduceOnly":"false","cancelSource"'
    b':"","fillPx":"84093.5","tradeId":"2953620310","fillSz":"0.9","fillTime":"1790439601000",'
    b'"fillFee":"-0.37842075","fillFeeCcy":"USDT","execType":"T","amendResult":"","code":"0","'
    b'msg":""}]}'
)
OKX_CANCELED = (
    b'{"arg":{"channel":"orders","instType":"SWAP","uid":"44705892343619584"},"data":[{"instTy'
    b'pe":"SWAP","instId":"BTC-USDT-SWAP","ordId":"3970112233445566002","clOrdId":"12345678901'
    b'23456789","px":"84093.5","sz":"1.5","ordType":"ioc","side":"buy","posSide":"net","tdMode'
    b'":"cross","accFillSz":"0.9","avgPx":"84093.5","state":"canceled","fee":"-0.37842075","uT'
    b'ime":"1790439601001","cTime":"1790439601000","reduceOnly":"false","cancelSource":"14","f'
    b'illPx":"","tradeId":"","fillSz":"0","fillTime":"","fillFee":"0","fillFeeCcy":"","execTyp'
    b'e":"","amendResult":"","code":"0","msg":""}]}'
)
OKX_FILLED = (
    b'{"arg":{"channel":"orders","instType":"SWAP","uid":"44705892343619584"},"data":[{"instTy'
    b'pe":"SWAP","instId":"BTC-USDT-SWAP","ordId":"3970112233445566001","clOrdId":"12345678901'
    b'23456789","px":"84100","sz":"2","ordType":"limit","side":"sell","posSide":"net","tdMode"'
    b':"cross","accFillSz":"2","avgPx":"84100","state":"filled","fee":"-0.3364","uTime":"17904'
    b'39600703","cTime":"1790439600011","reduceOnly":"false","cancelSource":"","fillPx":"84100'
    b'","tradeId":"2953620302","fillSz":"1.2","fillTime":"1790439600702","fillFee":"-0.20184",'
    b'"fillFeeCcy":"USDT","execType":"M","amendResult":"","code":"0","msg":""}]}'
)
OKX_POSITIONS = (
    b'{"arg":{"channel":"positions","instType":"SWAP","uid":"44705892343619584"},"eventType":"'
    b'snapshot","curPage":1,"lastPage":true,"data":[{"instId":"BTC-USDT-SWAP","instType":"SWAP'
    b'","posSide":"net","pos":"-2","posId":"3970112233445560000","avgPx":"84100","upl":"0.072"'
    b',"fundingFee":"0","uTime":"1790439600702","cTime":"1790439600640","tradeId":"2953620302"'
    b',"mgnMode":"cross","liqPx":"303412.6"}]}'
)
OKX_POSITION_CLOSED = (
    b'{"arg":{"channel":"positions","instType":"SWAP","uid":"44705892343619584"},"eventType":"'
    b'event_update","data":[{"instId":"BTC-USDT-SWAP","instType":"SWAP","posSide":"net","pos":'
    b'"0","posId":"3970112233445560000","avgPx":"","upl":"","fundingFee":"0","uTime":"17904396'
    b'09002","cTime":"1790439600640","tradeId":"2953620399","mgnMode":"cross","liqPx":""}]}'
)
OKX_ACCOUNT = (
    b'{"arg":{"channel":"account","uid":"44705892343619584"},"eventType":"snapshot","curPage":'
    b'1,"lastPage":true,"data":[{"adjEq":"55444.12216906034","totalEq":"55868.06403501676","uT'
    b'ime":"1705564223311","details":[{"ccy":"USDT","eq":"4892.951170691435","availEq":"4734.3'
    b'71190691435","cashBal":"4750.426970691436","upl":"-7.475800000000003","ordFrozen":"0"}]}'
    b']}'
)
OKX_ACCOUNT_EMPTY = (
    b'{"arg":{"channel":"account"},"data":[{"adjEq":"","availEq":"","borrowFroz":"","details":'
    b'[],"imr":"","isoEq":"0","mgnRatio":"","mmr":"","notionalUsd":"","notionalUsdForBorrow":"'
    b'","notionalUsdForFutures":"","notionalUsdForOption":"","notionalUsdForSwap":"","ordFroz"'
    b':"","totalEq":"0","uTime":"1774795570586","upl":""}]}'
)
OKX_ACK = (
    b'{"id":"1234567890123456789","op":"order","code":"0","msg":"","data":[{"tag":"","ts":"177'
    b'5897796026","ordId":"3469373785093513216","clOrdId":"1234567890123456789","sCode":"0","s'
    b'Msg":"Order successfully placed.","subCode":""}],"inTime":"1775897796026175","outTime":"'
    b'1775897796027785"}'
)
OKX_REJECT = (
    b'{"id":"1234567890123456789","op":"order","code":"1","msg":"","data":[{"tag":"","ts":"169'
    b'5190491421","ordId":"","clOrdId":"1234567890123456789","sCode":"51008","sMsg":"Order fai'
    b'led. Insufficient USDT balance in account","subCode":"1000"}],"inTime":"1695190491421339'
    b'","outTime":"1695190491423240"}'
)
OKX_RATE = (
    b'{"id":"1234567890123456789","op":"order","code":"50011","msg":"Rate limit reached. Pleas'
    b'e refer to API documentation and throttle requests accordingly","data":[],"inTime":"1790'
    b'439600007175","outTime":"1790439600007285"}'
)
OKX_FORMAT = (
    b'{"id":"1234567890123456789","op":"order","code":"60013","msg":"Invalid args","data":[],"'
    b'inTime":"1695190491421339","outTime":"1695190491423240"}'
)
OKX_DUPLICATE = (
    b'{"code":"1","data":[{"clOrdId":"1234567890123456789","ordId":"","sCode":"51016","sMsg":"'
    b'Duplicated client order ID","tag":""}],"id":"1234567890123456789","msg":"","op":"order"}'
)
OKX_UNKNOWN_SYMBOL = (
    b'{"event":"error","msg":"Subscribe failed, wrong URL or channel:books,instId:NOPE-USDT do'
    b'esn\'t exist.","code":"60018","connId":"5e1f2fe5","id":"ob1"}'
)
OKX_FUNDING = (
    b'{"arg":{"channel":"funding-rate","instId":"LTC-USDT-SWAP"},"data":[{"formulaType":"withR'
    b'ate","fundingRate":"0.0001000000000000","fundingTime":"1765209600000","impactValue":"100'
    b'00.0000000000000000","instId":"LTC-USDT-SWAP","instType":"SWAP","interestRate":"0.000100'
    b'0000000000","maxFundingRate":"0.015","method":"current_period","minFundingRate":"-0.015"'
    b',"nextFundingRate":"","nextFundingTime":"1765238400000","premium":"-0.0004021053670636",'
    b'"settFundingRate":"0.0000697725497563","settState":"settled","ts":"1765201461438"}]}'
)
OKX_NOTICE = (
    b'{"event":"notice","msg":"The connection will soon be closed for a service upgrade. Pleas'
    b'e reconnect.","code":"64008","connId":"8517149b"}'
)
OKX_CONN_COUNT = (
    b'{"event":"channel-conn-count","channel":"orders","connCount":"1","connId":"0b38c7cc"}'
)
