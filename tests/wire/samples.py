"""Frames of every kind the parsers meet, as the venues write them."""

BYBIT_QUOTES = [
    b'{"topic":"orderbook.1.BTCUSDT","ts":1786639170499,"type":"snapshot","data":{"s":"BTCUSDT",'
    b'"b":[["63040.8","3.323"]],"a":[["63040.9","4.686"]],"u":31071061,"seq":763537012912},'
    b'"cts":1786639170498}',
    b'{"topic":"orderbook.1.BTCUSDT","type":"snapshot","ts":1790409768609,"data":{"s":"BTCUSDT",'
    b'"b":[["84017.5","1.777"]],"a":[["84017.6","2.725"]],"u":97687715,"seq":816281667578},'
    b'"cts":1790409768607}',
    b'{"topic":"orderbook.1.BTCUSDT","ts":1786639190512,"type":"snapshot","data":{"s":"BTCUSDT",'
    b'"b":[],"a":[["63041.1","1.204"]],"u":31071999,"seq":763537199012},"cts":1786639190510}',
    b'{"topic":"orderbook.1.BTCUSDT","ts":1786639190512,"type":"snapshot","data":{"s":"BTCUSDT",'
    b'"b":[["63041.1","1.204"]],"a":[],"u":31071999,"seq":763537199012},"cts":1786639190510}',
    b'{"topic":"orderbook.1.BTCUSDT","ts":1699764797519,"type":"delta","data":{"s":"BTCUSDT",'
    b'"b":[],"a":[["32499.27","0.011534"],["32529.54","0"]],"u":873489,"seq":1253141792}}',
    b'{"topic":"orderbook.1.1000PEPEUSDT","type":"snapshot","ts":1790409768609,"data":{"s":'
    b'"1000PEPEUSDT","b":[["0.0110237","1284500"]],"a":[["0.0110238","9007199254740993"]],"u":1,'
    b'"seq":281474976710655},"cts":1790409768607}',
    b' { "topic" : "orderbook.1.BTCUSDT" , "ts" : 1 , "type" : "snapshot" ,\t"data" : { "s" : '
    b'"BTCUSDT" , "b" : [ [ "1" , "2" ] , [ "1.5" , "0.25" ] ] , "a" : [ ] , "u" : 2 , '
    b'"seq" : 3 } }\n',
    b'{"cts":1,"data":{"seq":3,"u":2,"a":[["2e3","1E-2"]],"b":[["1999.99999999999999999999","7"]],'
    b'"s":"BTCUSDT"},"new":{"x":[1,{"y":"\\u00e9\\"}"}],"z":null},"ts":4,"type":"snapshot",'
    b'"topic":"orderbook.1.BTCUSDT"}',
]
BYBIT_OTHER = [
    b'{"topic":"publicTrade.BTCUSDT","ts":1789299660724,"type":"snapshot","data":[{"i":"1","T":1,'
    b'"p":"77140.5","v":"0.00389","S":"Sell","seq":2189232173,"s":"BTCUSDT","BT":false}]}',
    b'{"topic":"orderbook.50.BTCUSDT","type":"delta","ts":1,"data":{"s":"BTCUSDT","b":[],"a":[]}}',
    b'{"success":true,"ret_msg":"pong","conn_id":"465772b1","req_id":"","op":"ping"}',
    b'{"op":"pong","args":["1699766561376"],"conn_id":"cl48jjpqo29jk1nbp4e0-98gm"}',
    b'{"success":false,"ret_msg":"error:handler not found,topic:orderbook.1.NO","op":"subscribe"}',
]
OKX_QUOTES = [
    b'{"arg":{"channel":"bbo-tbt","instId":"BTC-USDT-SWAP"},"data":[{"asks":[["84093.5","667.19",'
    b'"0","70"]],"bids":[["84093.4","570.27","0","83"]],"ts":"1790439594900",'
    b'"seqId":342177336945}]}',
    b'{"arg":{"channel":"bbo-tbt","instId":"BTC-USDT-SWAP"},"data":[{"asks":[],"bids":[["84093.4",'
    b'"570.27","0","83"]],"ts":"1790439599900","seqId":342177341945}]}',
    b'{"arg":{"channel":"bbo-tbt","instId":"LTC-USDC"},"data":[{"asks":[["83.81","11.93175","0",'
    b'"1"]],"bids":[],"ts":"1765201257149","seqId":378617009}]}',
    b'{"arg":{"channel":"bbo-tbt","instId":"BTC-USDT-SWAP"},"data":[{"asks":[["61686","244","0","6"'
    b']],"bids":[["61685.9","125.87","0","12"]],"ts":"1723161599996","seqId":50093421612}]}',
    b'{ "data" : [ { "seqId" : 7 , "ts" : "5" , "bids" : [ [ "1" , "2" , "0" , "1" ] ] , '
    b'"asks" : [ [ "1.5e0" , "0.000000000000000000000000000001" , null , {"a":[]} ] ] , '
    b'"checksum" : -1.5e9 , '
    b'"prevSeqId" : -1 } ] , "action" : "snapshot" , "arg" : { "instId" : "X" , "channel" : '
    b'"bbo\\u002dtbt" } }',
]
OKX_OTHER = [
    b"pong",
    b'{"id":"md","event":"subscribe","arg":{"channel":"bbo-tbt","instId":"BTC-USDT-SWAP"}}',
    b'{"event":"error","msg":"Please log in","code":"60011","connId":"a4d3ae55"}',
    b'{"arg":{"channel":"books5","instId":"BTC-USDT-SWAP"},'
    b'"data":[{"asks":[],"bids":[],"ts":"1"}]}',
    b'{"arg":{"channel":"funding-rate","instId":"BTC-USDT-SWAP"},"data":[{"fundingRate":"0.1"}]}',
    b'{"id":"1","op":"order","data":[],"code":"0","msg":""}',
]
# (frame, what becomes of it): one field of a good frame spoiled
BYBIT_GOOD = BYBIT_QUOTES[0]
OKX_GOOD = OKX_QUOTES[0]
BYBIT_SPOILED = [
    (b"63040.8", b"63041.0", "crossed"),
    (b"63040.8", b"-63040.8", "bad_number"),
    (b"63040.8", b"-0", "bad_number"),
    (b"63040.8", b"0.0", "bad_number"),
    (b"63040.8", b"+1", "bad_number"),
    (b"63040.8", b"", "bad_number"),
    (b"63040.8", b"NaN", "bad_number"),
    (b"63040.8", b"inf", "bad_number"),
    (b"63040.8", b"0x10", "bad_number"),
    (b"63040.8", b"1e400", "bad_number"),
    (b"63040.8", b"063040.8", "bad_number"),
    (b"63040.8", b".5", "bad_number"),
    (b"63040.8", b"5.", "bad_number"),
    (b"63040.8", b"6 3", "bad_number"),
    (b"63040.8", b" 63040.8", "bad_number"),
    (b"63040.8", b"63,040.8", "bad_number"),
    (b"63040.8", b"6_3", "bad_number"),
    (b"63040.8", b"63040.8\\u0030", "bad_number"),
    (b'"63040.8"', b"63040.8", "bad_number"),
    (b'"63040.8"', b"null", "bad_json"),
    (b'"3.323"', b'"-1"', "bad_number"),
    (b'"3.323"', b'"3.323","9"', "bad_json"),
    (b'["63040.8","3.323"]', b'["63040.8"]', "bad_json"),
    (b'["63040.8","3.323"]', b'["63040.8","1"],["63040.80","2"]', "malformed"),
    (b'["63040.8","3.323"]', b'["63040.8","1"],["63040.8","0"]', "malformed"),
    (b'["63040.8","3.323"]', b'["1","0"],["2","0"],["3","0"]', "malformed"),
    (b'[["63040.8","3.323"]]', b"null", "bad_json"),
    (b"1786639170499", b"1786639170499.0", "bad_number"),
    (b"1786639170499", b'"1786639170499"', "bad_number"),
    (b"1786639170499", b"-1", "bad_number"),
    (b"1786639170499", b"01786639170499", "bad_json"),
    (b"1786639170498", b"null", "bad_number"),
    (b"1786639170498", b"9223372036855", "bad_number"),
    (b"763537012912", b"281474976710656", "bad_number"),
    (b"763537012912", b"99999999999999999999", "bad_number"),
    (b"763537012912", b"1e3", "bad_number"),
    (b"31071061", b"-31071061", "bad_number"),
    (b'"snapshot"', b'"SNAPSHOT"', "bad_type"),
    (b'"snapshot"', b"1", "bad_type"),
    (b'"s":"BTCUSDT"', b'"s":"ETHUSDT"', "symbol_mismatch"),
    (b'"s":"BTCUSDT"', b'"s":"BTCUSD"', "symbol_mismatch"),
    (b'"s":"BTCUSDT"', b'"s":""', "malformed"),
    (b'"s":"BTCUSDT"', b'"s":7', "malformed"),
    (b"BTCUSDT", b"A123456789B123456789C12345678", "malformed"),
    (b'"u":31071061,', b'"u":31071061,"u":31071061,', "duplicate_field"),
    (b'"u":31071061,', b'"u":31071061,"\\u0075":31071061,', "duplicate_field"),
    (b'"ts":', b'"type":"delta","ts":', "duplicate_field"),
    (b'"u":31071061,', b"", "missing_field"),
    (b'"ts":1786639170499,', b"", "missing_field"),
    (b'"b":[["63040.8","3.323"]],', b"", "missing_field"),
    (b'"seq":763537012912', b'"seq":763537012912,', "bad_json"),
    (b'"u":31071061,', b'"u":31071061,"x":tru,', "bad_json"),
    (b'"u":31071061,', b'"u":31071061,"x":"\\x",', "bad_json"),
    (b'"u":31071061,', b'"u":31071061,"x":"\n",', "bad_json"),
    (b'"u":31071061,', b'"u":31071061,"x":' + b"[" * 65 + b"]" * 65 + b",", "bad_json"),
    (b'"u":31071061,', b'"u":31071061,"x":"' + b"x" * 4096 + b'",', "too_long"),
    (b'"cts":1786639170498}', b'"cts":1786639170498}}', "bad_json"),
    (b'"cts":1786639170498}', b'"cts":1786639170498} x', "bad_json"),
    (b'"cts":1786639170498}', b'"cts":1786639170498', "truncated"),
]
OKX_SPOILED = [
    (b"84093.4", b"84093.6", "crossed"),
    (b"84093.4", b"-84093.4", "bad_number"),
    (b'"84093.4"', b"84093.4", "bad_number"),
    (b'"1790439594900"', b"1790439594900", "bad_number"),
    (b'"1790439594900"', b'""', "bad_number"),
    (b'"1790439594900"', b'"17904395949000000"', "bad_number"),
    (b"342177336945", b'"342177336945"', "bad_number"),
    (b"342177336945", b"-1", "bad_number"),
    (b"342177336945", b"281474976710656", "bad_number"),
    (b',"instId":"BTC-USDT-SWAP"', b"", "missing_field"),
    (b'"channel":"bbo-tbt",', b"", "missing_field"),
    (b'"channel":"bbo-tbt"', b'"channel":7', "bad_json"),
    (b',"ts":"1790439594900"', b"", "missing_field"),
    (b',"ts":"1790439594900"', b',"ts":"1790439594900","ts":"1790439594900"', "duplicate_field"),
    (b'"data"', b'"action":"update","data"', "bad_type"),
    (b"945}]}", b"945},{}]}", "malformed"),
    (b"945}]}", b"945}]", "truncated"),
    (b"945}]}", b"945}]}]", "bad_json"),
]
ALL = [("bybit", frame) for frame in BYBIT_QUOTES + BYBIT_OTHER] + [
    ("okx", frame) for frame in OKX_QUOTES + OKX_OTHER
]
