/* Exceptions that come out of threads: each worker takes jobs from a queue, and some of them fail. */
#include <condition_variable>
#include <cstdio>
#include <deque>
#include <exception>
#include <iostream>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {
class Queue {
public:
    void put(int job)
    {
        std::lock_guard<std::mutex> lock(mutex);
        jobs.push_back(job);
        changed.notify_one();
    }

    void close()
    {
        std::lock_guard<std::mutex> lock(mutex);
        closed = true;
        changed.notify_all();
    }

    bool take(int &job)
    {
        std::unique_lock<std::mutex> lock(mutex);
        changed.wait(lock, [this] { return !jobs.empty() || closed; });
        if (jobs.empty())
            return false;
        job = jobs.front();
        jobs.pop_front();
        return true;
    }

private:
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<int> jobs;
    bool closed = false;
};

int work(int job)
{
    if (job % 10 == 3)
        throw std::invalid_argument("job " + std::to_string(job));
    return job * 2;
}

thread_local int done_here = 0;
}

int main(int argc, char **argv)
{
    Queue queue;
    std::mutex results_mutex;
    long sum = 0;
    int failed = 0, done = 0;
    std::vector<std::thread> workers;
    const int count = argc > 1 ? std::stoi(argv[1]) : 4;
    for (int i = 0; i < count; i++)
        workers.emplace_back([&] {
            int job;
            while (queue.take(job)) {
                try {
                    const int result = work(job);
                    done_here++;
                    std::lock_guard<std::mutex> lock(results_mutex);
                    sum += result;
                } catch (const std::invalid_argument &error) {
                    std::lock_guard<std::mutex> lock(results_mutex);
                    failed += error.what() == "job " + std::to_string(job);
                }
            }
            std::lock_guard<std::mutex> lock(results_mutex);
            done += done_here;
        });
    for (int job = 0; job < 1000; job++)
        queue.put(job);
    queue.close();
    for (auto &worker : workers)
        worker.join();
    std::cout << "sum " << sum << ", done " << done << ", failed " << failed << std::endl;
    return 0;
}
