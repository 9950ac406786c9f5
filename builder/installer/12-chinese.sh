# 12-chinese: the messages in Chinese, under their English formats: here what the run does, in 13 what it refuses.

# choose_language LOCALE: Chinese for zh_CN.UTF-8 and its like. The kernel's own console has no Chinese glyphs.
choose_language() {
	[ "${TERM-}" != linux ] || return 0
	case $1 in
	zh*.[Uu][Tt][Ff]-8* | zh*.[Uu][Tt][Ff]8*) CHINESE=1 ;;
	esac
}

# set_language zh|en
set_language() {
	case $1 in
	zh) CHINESE=1 ;;
	en) CHINESE= ;;
	*) usage_error '--lang takes zh or en, not %s' "$1" ;;
	esac
}

# translate FORMAT: TRANSLATED becomes the format in the reader's language
translate() {
	TRANSLATED=$1
	[ -z "$CHINESE" ] || chinese_step "$1" || chinese_refusal "$1" || :
}

# chinese_step FORMAT: fails if it is not here
chinese_step() {
	case $1 in
	'warning: %s') TRANSLATED='警告：%s' ;;
	'[%s] %s (ignored)') TRANSLATED='[%s] %s（已忽略）' ;;
	'%s (installed)') TRANSLATED='%s（当前）' ;;
	'nothing was written') TRANSLATED='未写入任何内容' ;;
	'the bundle is whole') TRANSLATED='安装包完整' ;;

	# files
	'made %s with mode %s') TRANSLATED='已创建 %s，权限 %s' ;;
	'wrote %s') TRANSLATED='已写入 %s' ;;
	'linked %s to %s') TRANSLATED='已创建链接 %s，指向 %s' ;;
	'wrote the block of %s') TRANSLATED='已写入 %s 中的区块' ;;
	'put back %s') TRANSLATED='已恢复 %s' ;;
	'removed %s') TRANSLATED='已删除 %s' ;;
	'took the block out of %s') TRANSLATED='已移除 %s 中的区块' ;;
	'left %s: it was changed since the install') TRANSLATED='保留 %s：安装后被改动过' ;;
	'gave %s its mode %s back') TRANSLATED='已恢复 %s 的权限 %s' ;;
	'removed %s and all in it') TRANSLATED='已删除 %s 及其中的全部内容' ;;
	'recorded this bundle in /var/lib/bundler as generation %s') TRANSLATED='已将此安装包记录到 /var/lib/bundler，为第 %s 代' ;;
	'would make %s with mode %s') TRANSLATED='将创建 %s，权限 %s' ;;
	'would write %s') TRANSLATED='将写入 %s' ;;
	'would link %s to %s') TRANSLATED='将创建链接 %s，指向 %s' ;;
	'would write the block of %s') TRANSLATED='将写入 %s 中的区块' ;;
	'would put back %s') TRANSLATED='将恢复 %s' ;;
	'would remove %s') TRANSLATED='将删除 %s' ;;
	'would take the block out of %s') TRANSLATED='将移除 %s 中的区块' ;;
	'would give %s its mode %s back') TRANSLATED='将恢复 %s 的权限 %s' ;;
	'would remove %s and all in it') TRANSLATED='将删除 %s 及其中的全部内容' ;;
	'would remove the folders that it made, where they are empty, and /var/lib/bundler') TRANSLATED='将删除由安装创建的空目录以及 /var/lib/bundler' ;;
	'would record this bundle in /var/lib/bundler as generation %s') TRANSLATED='将把此安装包记录到 /var/lib/bundler，为第 %s 代' ;;
	'only its mode or owner: %s becomes %s %s') TRANSLATED='仅权限或属主不同：%s 将变为 %s %s' ;;
	'mode %s: the content is secret and not shown') TRANSLATED='权限 %s：内容属于机密，不予显示' ;;
	'%s bytes, sha256 %s') TRANSLATED='%s 字节，sha256 %s' ;;
	'is now %s bytes, sha256 %s') TRANSLATED='现为 %s 字节，sha256 %s' ;;
	'(no diff on this host)') TRANSLATED='（本机没有 diff 命令）' ;;

	# kernel and units
	'loaded the module %s') TRANSLATED='已加载内核模块 %s' ;;
	'set %s = %s') TRANSLATED='已设置 %s = %s' ;;
	'created what %s lists') TRANSLATED='已创建 %s 中列出的内容' ;;
	'reloaded systemd') TRANSLATED='已重新加载 systemd 配置' ;;
	'restarted %s') TRANSLATED='已重启 %s' ;;
	'started %s') TRANSLATED='已启动 %s' ;;
	'stopped %s') TRANSLATED='已停止 %s' ;;
	'would load the module %s') TRANSLATED='将加载内核模块 %s' ;;
	'would set %s = %s') TRANSLATED='将设置 %s = %s' ;;
	'unloaded the module %s') TRANSLATED='已卸载内核模块 %s' ;;
	'the module %s stays loaded, as something uses it; it is gone with the next boot') TRANSLATED='内核模块 %s 正被使用，保持加载；下次重启后消失' ;;
	'removed the iptables chain %s') TRANSLATED='已删除 iptables 链 %s' ;;
	'removed the image %s') TRANSLATED='已删除镜像 %s' ;;
	'left %s = %s: it was changed since the install') TRANSLATED='保留 %s = %s：安装后被改动过' ;;
	'removed the link %s') TRANSLATED='已删除网络接口 %s' ;;
	'emptied %s') TRANSLATED='已清空 %s' ;;
	'put the certificates aside that the kubelet got as %s') TRANSLATED='已移开 kubelet 以 %s 的身份获得的证书' ;;
	'would unload the module %s') TRANSLATED='将卸载内核模块 %s' ;;
	'would remove the iptables chain %s') TRANSLATED='将删除 iptables 链 %s' ;;
	'would remove the image %s') TRANSLATED='将删除镜像 %s' ;;
	'would end the pods of this host, and remove the links and caches of their old network') TRANSLATED='将终止本机的 Pod，并删除其旧网络的接口和缓存' ;;
	'would put the certificates aside that the kubelet got as %s') TRANSLATED='将移开 kubelet 以 %s 的身份获得的证书' ;;
	'would create what %s lists') TRANSLATED='将创建 %s 中列出的内容' ;;
	'would reload systemd') TRANSLATED='将重新加载 systemd 配置' ;;
	'would restart %s') TRANSLATED='将重启 %s' ;;
	'would start %s') TRANSLATED='将启动 %s' ;;
	'would stop %s') TRANSLATED='将停止 %s' ;;
	'%s waits for another host (etcd, the API server) and comes up with it') TRANSLATED='%s 正在等待其他主机（etcd、API server），对方就绪后会自动启动' ;;
	'%s is %s; see: systemctl status %s; journalctl -u %s -n 50') TRANSLATED='%s 的状态为 %s；请用 systemctl status %s 和 journalctl -u %s -n 50 查看原因' ;;
	'restorecon failed: see that SELinux lets the units read /opt/kubernetes') TRANSLATED='restorecon 执行失败：请确认 SELinux 允许各单元读取 /opt/kubernetes' ;;

	# how a run ends
	'done: %s written, %s unchanged, %s removed, %s restarted, %s started') TRANSLATED='完成：写入 %s 项，未变 %s 项，删除 %s 项，重启 %s 个单元，启动 %s 个单元' ;;
	'done: %s removed or put back; pods that still run are gone with the next boot') TRANSLATED='完成：删除或恢复 %s 项；仍在运行的 Pod 会在下次重启后消失' ;;
	'left because they were changed since the install (what stood there before is in /var/lib/bundler/original):') TRANSLATED='以下文件在安装后被改动过，因此保留（安装前的原文件在 /var/lib/bundler/original）：' ;;
	'the data of the programs stays; ./install.sh uninstall --purge removes it') TRANSLATED='各程序的数据保留；执行 ./install.sh uninstall --purge 可将其删除' ;;
	'nothing to do: %s is as this bundle wants it') TRANSLATED='无需操作：节点 %s 已与此安装包一致' ;;
	'nothing to do: no run was interrupted') TRANSLATED='无需操作：没有被中断的运行' ;;
	'nothing to do: generation %s is installed') TRANSLATED='无需操作：当前已是第 %s 代' ;;
	'nothing to do: nothing is installed here') TRANSLATED='无需操作：本机没有安装任何内容' ;;
	'nothing to do: everything is as it was installed') TRANSLATED='无需操作：全部内容与安装时一致' ;;
	'nothing to undo: the interrupted run had done its work, and was only tidying up') TRANSLATED='无需撤销：被中断的运行已经完成，只差收尾清理' ;;
	'undone: this host is as it was before the interrupted run') TRANSLATED='已撤销：本机已恢复到被中断的运行之前的状态' ;;
	'would finish an interrupted %s first; nothing was written') TRANSLATED='将先完成被中断的 %s；未写入任何内容' ;;
	'finished an interrupted %s; run ./install.sh again to install this bundle') TRANSLATED='已完成被中断的 %s；如需安装此安装包，请重新运行 ./install.sh' ;;
	'finished an interrupted %s; run ./install.sh again for anything else') TRANSLATED='已完成被中断的 %s；如需其他操作，请重新运行 ./install.sh' ;;
	'generation %s did not come up; generation %s is put back') TRANSLATED='第 %s 代未能启动；正在回滚到第 %s 代' ;;
	'took over the lock of process %s, which is gone') TRANSLATED='进程 %s 已不存在，已接管它的锁' ;;
	'wrote %s; it holds no keys and no contents of files, but names, addresses and logs: look through it first') TRANSLATED='已写入 %s；其中不含密钥和文件内容，但包含主机名、地址和日志：发送给他人之前请先检查' ;;

	# generations and status
	'generation %s: Kubernetes %s, bundler %s, %s paths, written %s') TRANSLATED='第 %s 代：Kubernetes %s，bundler %s，%s 个路径，写入于 %s' ;;
	'node %s of cluster %s: Kubernetes %s, bundler %s') TRANSLATED='节点 %s，集群 %s：Kubernetes %s，bundler %s' ;;
	'generation %s of those that are kept: %s') TRANSLATED='当前为第 %s 代，保留的各代：%s' ;;
	'a run was interrupted (%s); finish it with ./install.sh resume, or undo it with ./install.sh abort') TRANSLATED='有一次运行被中断（%s）；请用 ./install.sh resume 继续完成，或用 ./install.sh abort 撤销' ;;
	'%s paths are as installed') TRANSLATED='%s 个路径与安装时一致' ;;
	'put the others back with: ./install.sh repair') TRANSLATED='其余路径可用 ./install.sh repair 修复' ;;
	'missing: %s') TRANSLATED='缺失：%s' ;;
	'mode or owner changed: %s') TRANSLATED='权限或属主已改变：%s' ;;
	'changed: %s') TRANSLATED='内容已改变：%s' ;;
	'%s: active') TRANSLATED='%s：active（运行中）' ;;
	'%s: %s; see: journalctl -u %s -n 50') TRANSLATED='%s：%s；请用 journalctl -u %s -n 50 查看原因' ;;
	'certificates: %s days left') TRANSLATED='证书：剩余 %s 天' ;;
	'certificates: ended, or within a day of it; build a new bundle') TRANSLATED='证书：已过期，或将在一天内过期；请构建新的安装包' ;;
	*) return 1 ;;
	esac
}
