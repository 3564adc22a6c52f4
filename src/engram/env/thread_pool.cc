#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <thread>
#include <utility>
#include <vector>

#include <pthread.h>

#include "engram/base/check.h"
#include "engram/base/thread_annotations.h"
#include "engram/env/executor.h"

namespace engram::env {
namespace {

using SteadyClock = std::chrono::steady_clock;

// The kernel keeps 15 characters of a thread's name.
void NameThisThread(const std::string& name) {
  pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
}

class ThreadPool : public Executor {
 public:
  ThreadPool(const std::string& name, int threads) {
    ENGRAM_CHECK(threads > 0);
    for (int i = 0; i < threads; ++i) {
      threads_.emplace_back([this, name, i] {
        NameThisThread(name + "/" + std::to_string(i));
        Work();
      });
    }
    // A thread of its own, so that waiting for a delay never keeps a worker from a task.
    timer_ = std::thread([this, name] {
      NameThisThread(name + "/timer");
      RunTimer();
    });
  }

  ~ThreadPool() override {
    std::multimap<SteadyClock::time_point, Task> dropped;  // ends without the lock: it may post
    {
      MutexLock lock(mutex_);
      stopping_ = true;
      dropped.swap(delayed_);
    }
    dropped.clear();
    work_.notify_all();
    time_.notify_all();
    timer_.join();
    for (std::thread& thread : threads_) thread.join();
  }

  void Post(Task task) override {
    {
      MutexLock lock(mutex_);
      queue_.push_back(std::move(task));
    }
    work_.notify_one();
  }

  void PostAfter(Duration delay, Task task) override {
    const auto due = SteadyClock::now() + delay;
    bool earliest = false;
    {
      MutexLock lock(mutex_);
      if (stopping_) return;
      const auto added = delayed_.emplace(due, std::move(task));
      earliest = added == delayed_.begin();
    }
    if (earliest) time_.notify_one();
  }

 private:
  void Work() {
    MutexLock lock(mutex_);
    for (;;) {
      if (!queue_.empty()) {
        Task task = std::move(queue_.front());
        queue_.pop_front();
        ++running_;
        lock.unlock();
        task();
        task = nullptr;  // what it holds ends before the pool counts it as done
        lock.lock();
        --running_;
        continue;
      }
      // A task that still runs may post another, so the last one out ends the pool.
      if (stopping_ && running_ == 0) {
        work_.notify_all();
        return;
      }
      work_.wait(lock);
    }
  }

  void RunTimer() {
    MutexLock lock(mutex_);
    while (!stopping_) {
      if (delayed_.empty()) {
        time_.wait(lock);
        continue;
      }
      const auto due = delayed_.begin()->first;
      if (due > SteadyClock::now()) {
        time_.wait_until(lock, due);
        continue;
      }
      queue_.push_back(std::move(delayed_.begin()->second));
      delayed_.erase(delayed_.begin());
      work_.notify_one();
    }
  }

  Mutex mutex_;
  std::condition_variable_any work_, time_;
  std::deque<Task> queue_ GUARDED_BY(mutex_);
  std::multimap<SteadyClock::time_point, Task> delayed_ GUARDED_BY(mutex_);
  bool stopping_ GUARDED_BY(mutex_) = false;
  int running_ GUARDED_BY(mutex_) = 0;
  std::vector<std::thread> threads_;
  std::thread timer_;
};

}  // namespace

std::unique_ptr<Executor> MakeThreadPool(const std::string& name, int threads) {
  return std::make_unique<ThreadPool>(name, threads);
}

}  // namespace engram::env
