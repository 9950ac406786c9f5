# 14-chinese-help: what ./install.sh help says to those who read Chinese.

chinese_usage() {
	printf '%s\n' "用法：./install.sh [操作] [选项]...
在没有网络的情况下，将本机配置为集群 $CLUSTER 的节点 $NODE（Kubernetes $KUBERNETES）。

操作（省略时为 install；每个操作前也可以加 --）：
  uninstall     停止各单元，删除已安装的内容，恢复安装前的原文件
  rollback      回滚到上一代，或 --to 指定的一代
  generations   列出在本机安装过、可以回滚到的各代安装包
  resume        继续完成被中断的运行；直接运行 ./install.sh 也会这样做
  abort         撤销被中断的运行
  status        查看已安装的内容、与安装时的差异、各单元和证书
  check         供监控使用的 status：一行输出和退出码；可用 --prometheus 写出指标
  repair        修复被手动改动的内容
  support       将日志、版本、规则和状态打包到 --output（不含机密）
  verify        只校验安装包
  help          显示本帮助
  version       显示 bundler 和 Kubernetes 的版本

选项：
  --dry-run     显示 install、uninstall、rollback 或 repair 将做的全部改动，但不执行
  --root DIR    对 DIR 中的系统镜像进行操作；不启动任何程序，也不检查本机
  --wait SECONDS
                等待各单元启动的最长秒数（默认 180）；超时则回滚到上一代
  --to N        与 rollback 一起使用：回滚到第 N 代
  --purge       与 uninstall 一起使用：同时删除 etcd、kubelet 和 containerd 的数据
  --keep-generations N
                保留多少代，包括新安装的一代（默认 3）
  --key FILE    安装包签名对应的公钥（默认 /etc/bundler/trusted.pub，如果存在）
  --require-signature
                拒绝没有签名的安装包；本机没有公钥时也拒绝
  --prometheus FILE
                与 check 一起使用：为 node exporter 的 textfile collector 写出指标
  --output FILE 与 support 一起使用：要写入的归档文件
  --json        供程序读取的进度：每行一个 JSON 对象
  --lang zh|en  消息的语言（默认取自 LC_ALL、LC_MESSAGES、LANG）
  --ignore-preflight-errors NAME[,NAME]...
                忽略未通过的预检项：$IGNORABLE，
                all 表示以上全部；以下各项只能单独指定：$IGNORABLE_BY_NAME

退出码：0 完成或无需操作（status：一切正常）；1 被拒绝或失败（status：存在异常）；
2 仅用于 --dry-run：存在需要执行的改动。
日志（英文）：/var/log/bundler/install.log"
}
